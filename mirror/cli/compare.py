"""What 'verify' shows: two nodes side by side, or the rooms that are shared with a peer."""

from mirror.cli.local import ask_values, sharing_status
from mirror.cli.output import print_json, print_table, say
from mirror.config import ConfigError
from mirror.peer.remote import ChannelRemote
from mirror.store.base import Listing, Substitute
from mirror.sync.substitutes import Substitutes, by_collection
from mirror.sync.verify import ComparedRoom, Verified, compare_nodes, compare_shares
from mirror.wire.status import AsideStatus

SHOWN = 5


def show_nodes(ours: ChannelRemote, theirs: ChannelRemote, peer: str, as_json: bool) -> bool:
    """Compare all that two nodes hold and show the outcome; returns whether they are equal."""
    found = compare_nodes(ours, theirs, substitutes=_set_aside(ours, peer))
    if as_json:
        print_json(
            {
                "equal": found.equal,
                "digests": {side.node: str(side.digest) for side in (found.ours, found.theirs)},
                "differing": found.differing,
                "aside": found.aside,
                "records": {name: records._asdict() for name, records in found.records.items()},
            }
        )
    else:
        _show_nodes(found, peer)
    return found.equal


def _set_aside(ours: ChannelRemote, peer: str) -> Substitutes:
    """Return what stands for what of ours, since records of the peer were set aside here."""
    return by_collection(
        Substitute(
            one.collection,
            Listing(one.own_stamp, one.key, int(one.own_crc, 16)) if one.own_crc else None,
            Listing(one.stamp, one.key, int(one.crc, 16)),
        )
        for one in ask_values(ours, f"SYNC all|aside|{peer}", AsideStatus)
    )


def _show_nodes(found: Verified, peer: str) -> None:
    if found.differing:
        rows = [[name, *_digests(found, name)] for name in found.differing]
        print_table("DIFFERS (count : newest stamp : sum of CRCs)", ["collection", found.ours.node, peer], rows)
    for name, records in found.records.items():
        for what, keys in records._asdict().items():
            for key in keys:
                say(f"{name}: {what.replace('_', ' ')}: {key}")
    but = f" but for {found.aside} records set aside ('ctdlmirror aside list {peer}')" if found.aside else ""
    say(
        f"All {len(found.collections)} collections are equal{but}."
        if found.equal
        else f"{len(found.differing)} of {len(found.collections)} collections differ."
    )


def _digests(found: Verified, collection: str) -> list[str]:
    """Return a collection's digest here and there as text."""
    return [str(side.collections.get(collection, "-")) for side in (found.ours, found.theirs)]


# -- shared rooms -------------------------------------------------------------------------------------


def show_shares(ours: ChannelRemote, theirs: ChannelRemote, peer: str, as_json: bool) -> bool:
    """Compare all rooms shared with a peer and show the outcome; returns whether all is as it should be.

    Raises ConfigError when nothing is shared with it.
    """
    told = sharing_status(ours)
    paired, notes = told.paired.get(peer, {}), told.peers.get(peer, [])
    if not paired and not notes:
        raise ConfigError(f"no room is shared with {peer}, or no daemon runs; 'ctdlmirror room list' tells")
    found = compare_shares(ours, theirs, paired)
    wrong = [one for one in found if not one.equal]
    if as_json:
        print_json({"equal": not wrong, "rooms": [one._asdict() for one in found], "notes": notes})
    else:
        _show_rooms(found, wrong, notes, peer)
    return not wrong


def _show_rooms(found: list[ComparedRoom], wrong: list[ComparedRoom], notes: list[str], peer: str) -> None:
    rows = [
        [one.room, one.there, one.what, str(one.records),
         "equal" if one.equal else f"{len(one.missing)} missing here, {len(one.unsent)} missing there"]
        for one in found
    ]  # fmt: skip
    print_table("", ["room", f"at {peer}", "what", "records", ""], rows)
    for one in wrong:
        for where, keys in (("here", one.missing), ("there", one.unsent)):
            for key in keys[:SHOWN]:
                say(f"{one.room}, {one.what}: missing {where}: {key}")
    for note in notes:
        say(note)
    say(f"{len(wrong)} of {len(found)} differ." if wrong else f"All {len(found)} that both sides show are equal.")
