"""Comparing shared rooms with the peer that they are shared with: what 'verify' shows of a peer of kind share."""

import sys
from typing import Any, NamedTuple

import click
import msgspec

from mirror.cli.app import EXIT_DIFFERENT
from mirror.cli.local import ask_json
from mirror.cli.output import print_json, print_table
from mirror.config import ConfigError
from mirror.model.record import record_crc
from mirror.peer.remote import ChannelRemote
from mirror.sync.index import RangeIndex
from mirror.sync.listing import find_difference
from mirror.sync.share import COLLECTIONS
from netconf.rules import DELETIONS

SHOWN = 5


class Compared(NamedTuple):
    """One kind of thing in one shared room: how many records differ, and the first of their keys.

    ``missing`` should have come here, ``unsent`` gone there; what just the rules keep on one side is neither.
    """

    room: str
    there: str
    what: str
    records: int
    missing: list[str]
    unsent: list[str]


def verify_shares(ours: ChannelRemote, theirs: ChannelRemote, peer: str, as_json: bool) -> None:
    """Compare all rooms shared with a peer, show the outcome, and end with its exit code."""
    told = ask_json(ours, "SYNC shares|status")[0]
    pairs = told["paired"].get(peer, {})
    if not pairs and not told["peers"].get(peer):
        raise ConfigError(f"no room is shared with {peer}, or no daemon runs; 'ctdlmirror room list' tells")
    found = [
        one
        for key, pair in sorted(pairs.items())
        for what in sorted({*pair["pulled"], *pair["pushed"]} & COLLECTIONS.keys())
        if (one := _compare(ours, theirs, key, pair, what)) is not None
    ]
    wrong = any(one.missing or one.unsent for one in found)
    notes = told["peers"].get(peer, [])
    if as_json:
        print_json({"equal": not wrong, "rooms": [one._asdict() for one in found], "notes": notes})
    else:
        _show(found, notes, peer)
    sys.exit(EXIT_DIFFERENT if wrong else 0)


def _compare(ours: ChannelRemote, theirs: ChannelRemote, key: str, pair: dict[str, Any], what: str) -> Compared | None:
    if what not in pair["readable"]:
        return None  # they take what we send and show nothing, so there is nothing to compare with
    here, there = f"{COLLECTIONS[what]}/{key}", f"{COLLECTIONS[what]}/{pair['key']}"
    tombstones = DELETIONS in pair["pulled"]
    records = [
        msgspec.structs.replace(record, collection=there)
        for page in ours.getall(here)
        for record in page.records
        if (tombstones or not record.dead) and (what != "marks" or " " in record.key)
    ]
    index = RangeIndex.of((record.stamp, record.key, record_crc(record)) for record in records)
    found = find_difference(index, lambda ranges: theirs.ranges(there, ranges))
    missing = sorted(set(found.wanted)) if what in pair["pulled"] else []
    unsent = sorted(set(found.surplus) - set(found.wanted)) if what in pair["pushed"] and pair["whole"] else []
    return Compared(pair["here"], pair["name"], what, len(records), missing, unsent)


def _show(found: list[Compared], notes: list[str], peer: str) -> None:
    rows = [
        [one.room, one.there, one.what, str(one.records),
         f"{len(one.missing)} missing here, {len(one.unsent)} missing there" if one.missing or one.unsent else "equal"]
        for one in found
    ]  # fmt: skip
    print_table("", ["room", f"at {peer}", "what", "records", ""], rows)
    for one in found:
        for where, keys in (("here", one.missing), ("there", one.unsent)):
            for key in keys[:SHOWN]:
                click.echo(f"{one.room}, {one.what}: missing {where}: {key}")
    for note in notes:
        click.echo(note)
    wrong = sum(1 for one in found if one.missing or one.unsent)
    click.echo(f"{wrong} of {len(found)} differ." if wrong else f"All {len(found)} that both sides show are equal.")
