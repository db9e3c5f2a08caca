"""Deleting rooms and users with what is in them, and bringing rooms back."""

from pathlib import Path
from typing import NamedTuple

import click

from mirror.cli.local import local_node, record_at
from mirror.cli.names import NoSuchName, find_named, room, user
from mirror.cli.output import ask, json_option, report
from mirror.config.errors import ConfigError
from mirror.formats.names import NAME_FIELDS
from mirror.model.containers import KILLED
from mirror.model.drafting import deletion_of, draft_over
from mirror.model.fields import values_of
from mirror.model.kinds import Collection
from mirror.model.record import Record, pack_head
from mirror.model.stamp import format_stamp
from mirror.peer.remote import ChannelRemote

MOST_COUNTED = 1000
"""Living messages, or files, that are counted in a deleted room at most."""

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


class Killed(NamedTuple):
    """A deleted room: when and where it was deleted, and how much came into it that its deleter had not seen."""

    key: str
    name: str
    deleted: str
    by: str
    alive: int


@room.command("delete")
@click.argument("name", metavar="ROOM")
@yes_option
@json_option
@click.pass_obj
def room_delete(directory: Path, name: str, yes: bool, as_json: bool) -> None:
    """Delete ROOM with all that is in it, everywhere.  Whom it is shared with keeps what is there."""
    _delete(directory, "rooms", name, yes, as_json)


@user.command("delete")
@click.argument("name", metavar="USER")
@yes_option
@json_option
@click.pass_obj
def user_delete(directory: Path, name: str, yes: bool, as_json: bool) -> None:
    """Delete USER with the mailbox, everywhere."""
    _delete(directory, "users", name, yes, as_json)


def _delete(directory: Path, kind: str, name: str, yes: bool, as_json: bool) -> None:
    word = kind[:-1]
    with local_node(directory) as remote:
        key, shown = find_named(remote, kind, name)
        held = record_at(remote, kind, key)
        if held is None or held.dead:
            raise NoSuchName(f"there is no {word} {name!r}")
        if not yes:
            inside = "its mailbox" if kind == "users" else "all that is in it"
            ask(f"Delete the {word} {shown} with {inside}, on every node?")
        remote.draft([deletion_of(held)])
    report(as_json, {"key": key, "name": shown}, f"The {word} {shown} is deleted.")


@room.command("restore")
@click.argument("name", metavar="ROOM")
@json_option
@click.pass_obj
def room_restore(directory: Path, name: str, as_json: bool) -> None:
    """Bring back the deleted ROOM (name or key), and show what came into it meanwhile.  See 'room list --deleted'."""
    with local_node(directory) as remote:
        was, dead = _find_killed(remote, name)
        head = pack_head(dict(values_of(was)))
        remote.draft([draft_over(dead, "rooms", was.key, head=head)])
        alive = _count_alive(remote, was.key)
    shown = name_of(was)
    report(
        as_json,
        {"key": was.key, "name": shown, "alive": alive},
        f"The room {shown} is back, with {_counted(alive)} in it.",
        "What was deleted with it stays deleted, and it is shared with nobody until 'room share' says so.",
    )


def list_killed(remote: ChannelRemote) -> list[Killed]:
    """Return the deleted rooms, ordered by name."""
    rows = [
        Killed(was.key, name_of(was), format_stamp(dead.stamp), dead.origin, _count_alive(remote, was.key))
        for was, dead in _all_killed(remote)
    ]
    return sorted(rows, key=lambda row: (row.name.casefold(), row.key))


def _all_killed(remote: ChannelRemote) -> list[tuple[Record, Record]]:
    """Return what each deleted room was, and its tombstone."""
    remembered = [record for page in remote.getall(KILLED) for record in page.records if not record.dead]
    pairs = [(was, record_at(remote, "rooms", was.key)) for was in remembered]
    return [(was, dead) for was, dead in pairs if dead is not None and dead.dead]


def name_of(was: Record) -> str:
    """Return what a deleted room was called."""
    return str(values_of(was).get(NAME_FIELDS["rooms"], was.key))


def _count_alive(remote: ChannelRemote, key: str) -> int:
    """Return how many messages and files are alive in a room, counted up to a bound each."""
    places = (str(Collection(kind, key)) for kind in ("messages", "files"))
    return sum(len(page.records) for place in places for page in remote.newest(place, MOST_COUNTED))


def _counted(alive: int) -> str:
    return f"{'at least ' if alive >= MOST_COUNTED else ''}{alive:,} messages and files"


def _find_killed(remote: ChannelRemote, name: str) -> tuple[Record, Record]:
    """Return what a deleted room was and its tombstone.  Raises NoSuchName, ConfigError."""
    found = [(was, dead) for was, dead in _all_killed(remote) if name in (was.key, name_of(was))]
    if not found:
        raise NoSuchName(f"there is no deleted room {name!r}; 'ctdlmirror room list --deleted' lists them")
    if len(found) > 1:
        keys = ", ".join(sorted(was.key for was, _ in found))
        raise ConfigError(f"{len(found)} deleted rooms are called {name!r}: say which by its key ({keys})")
    return found[0]
