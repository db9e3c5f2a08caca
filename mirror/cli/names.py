"""Users and rooms by name: listing them, finding one, giving one another name."""

import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from mirror.cli.app import cli
from mirror.cli.local import local_node, record_at
from mirror.cli.output import json_option, print_json, print_table, report, say
from mirror.config.errors import ConfigError
from mirror.config.reading import load_config
from mirror.formats.names import NAME_FIELDS, ROOM_IN_USE, Names, number_of
from mirror.formats.room_views import (
    VIEW_BOARD,
    VIEW_CALENDAR,
    VIEW_CALENDAR_BRIEF,
    VIEW_CONTACTS,
    VIEW_JOURNAL,
    VIEW_NOTES,
    VIEW_TASKS,
)
from mirror.model.draft import Draft
from mirror.model.drafting import draft_over
from mirror.model.errors import MirrorError
from mirror.model.fields import values_of
from mirror.model.record import pack_head
from mirror.peer.remote import ChannelRemote
from mirror.wire.errors import Refused
from mirror.wire.lines import Code

VIEWS = {
    "messages": VIEW_BOARD,
    "contacts": VIEW_CONTACTS,
    "calendar": VIEW_CALENDAR,
    "tasks": VIEW_TASKS,
    "notes": VIEW_NOTES,
}
"""What a room can be for, as its default view."""
VIEWS_OF_ITEMS = (VIEW_CALENDAR, VIEW_TASKS, VIEW_CALENDAR_BRIEF, VIEW_JOURNAL)
"""Those of rooms in which an event or a task is looked for."""


class NoSuchName(MirrorError):
    """A room, user or conflict that is not there."""

    exit_code = 12


MAX_NAME = 127
"""Bytes in a room's or user's name, as Citadel stores it."""


def find_named(remote: ChannelRemote, kind: str, name: str) -> tuple[str, str]:
    """Return key and shown name of a user or room (``kind`` is ``users`` or ``rooms``), found by either.

    A mailbox room is found by its stored name or its key.  Raises NoSuchName naming similar ones.
    """
    try:
        found = remote.channel.ask(f"SYNC {kind}|find|{name}")
    except Refused as error:
        if error.code == Code.NOT_FOUND:
            raise NoSuchName(error.text) from None
        raise
    key, _, shown = found.text.partition("|")
    return key, shown


@cli.group()
def room() -> None:
    """Rooms by name, and with whom they are shared."""


@cli.group()
def user() -> None:
    """Users, by name."""


@user.command("list")
@json_option
@click.pass_obj
def user_list(directory: Path, as_json: bool) -> None:
    """List users."""
    with local_node(directory) as remote:
        rows = list_named(remote, "users")
    if as_json:
        print_json([{"key": one.key, "name": one.name, "alike": list(one.alike)} for one in rows])
    elif not rows:
        say("No users.")
    else:
        print_table("", ["name", "key"], [[one.name, one.key] for one in rows])
        tell_alike("user", rows)


_taken_option = click.option("--taken", is_flag=True, help="Also a name that is taken: the two are told apart then.")


@room.command("create")
@click.argument("name")
@click.option("--view", type=click.Choice(tuple(VIEWS)), default="messages", show_default=True, help="What is in it.")
@_taken_option
@json_option
@click.pass_obj
def room_create(directory: Path, name: str, view: str, taken: bool, as_json: bool) -> None:
    """Make a public room NAME, everywhere."""
    _check_name("room", name)
    config = load_config(directory)
    key = f"{config.node}:{secrets.token_hex(8)}"
    values = {"QRname": name, "QRflags": ROOM_IN_USE, "QRgen": int(time.time()), "QRdefaultview": VIEWS[view]}
    with local_node(directory) as remote:
        _require_free(remote, "rooms", name, taken)
        remote.draft([Draft("rooms", key, head=pack_head(values))])
    report(as_json, {"key": key, "name": name}, f"The room {name} is made ({key}).")


@room.command("rename")
@click.argument("name")
@click.argument("new_name")
@_taken_option
@json_option
@click.pass_obj
def room_rename(directory: Path, name: str, new_name: str, taken: bool, as_json: bool) -> None:
    """Give the room NAME another name, everywhere; two rooms of one name are told apart by it."""
    _rename(directory, "rooms", name, new_name, taken, as_json)


@user.command("rename")
@click.argument("name")
@click.argument("new_name")
@_taken_option
@json_option
@click.pass_obj
def user_rename(directory: Path, name: str, new_name: str, taken: bool, as_json: bool) -> None:
    """Give the user NAME another name, everywhere; two users of one name are told apart by it."""
    _rename(directory, "users", name, new_name, taken, as_json)


class Named(NamedTuple):
    """A user or room as it is listed; ``alike`` are the keys of others whose names differ in case or form at most."""

    key: str
    name: str
    alike: tuple[str, ...] = ()


def list_named(remote: ChannelRemote, kind: str) -> list[Named]:
    """Return all users, or all rooms that are no mailboxes, ordered by the names they are shown under."""
    names = Names()
    for page in remote.getall(kind):
        for record in page.records:
            names.put(record)
    others = {key: tuple(one for one in group if one != key) for group in names.alike() for key in group}
    rows = [Named(key, name, others.get(key, ())) for key, name in names.shown().items()]
    return sorted(rows, key=lambda one: one.name.casefold())


def tell_alike(word: str, rows: Sequence[Named]) -> None:
    """Say which of those listed have names that look alike."""
    shown = {one.key: one.name for one in rows}
    for one in rows:
        if one.alike and one.key < min(one.alike):
            names = ", ".join([one.name, *(shown[key] for key in one.alike)])
            say(f"These names look alike: {names}.  'ctdlmirror {word} rename' tells them apart.")


def require_calendar(remote: ChannelRemote, key: str, name: str) -> None:
    """Raise ConfigError for a room in which nobody would look for an event or a task."""
    held = record_at(remote, "rooms", key)
    if held is None or number_of(values_of(held), "QRdefaultview") not in VIEWS_OF_ITEMS:
        raise ConfigError(f"{name} is no calendar: name one with --room, or say --any-room")


def _check_name(word: str, name: str) -> None:
    """Raise ConfigError for what cannot name a room or user."""
    if not name.strip() or len(name.encode()) > MAX_NAME or not name.isprintable() or "|" in name:
        raise ConfigError(f"{name!r} cannot name a {word}: 1 to {MAX_NAME} bytes, printable, without '|'")


def _require_free(remote: ChannelRemote, kind: str, name: str, taken: bool, but: str = "") -> None:
    """Raise ConfigError where another one has a name, unless it may be ``taken``; ``but`` is whose name it may be."""
    if taken:
        return
    try:
        key, shown = find_named(remote, kind, name)
    except NoSuchName:
        return
    if key != but:
        raise ConfigError(f"there is a {kind[:-1]} {shown} ({key}) already; --taken makes two of one name")


def _rename(directory: Path, kind: str, name: str, new_name: str, taken: bool, as_json: bool) -> None:
    word = kind[:-1]
    _check_name(word, new_name)
    with local_node(directory) as remote:
        key, old = find_named(remote, kind, name)
        _require_free(remote, kind, new_name, taken, key)
        head = pack_head({NAME_FIELDS[kind]: new_name})
        remote.draft([draft_over(record_at(remote, kind, key), kind, key, head=head)])
    report(as_json, {"key": key, "was": old, "name": new_name}, f"The {word} {old} is now {new_name}.")
