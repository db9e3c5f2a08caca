"""What is in rooms, listed and taken out by hand: calendar items and files."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from mirror.cli.data import calendar, file_group
from mirror.cli.local import body_of, local_node, record_at
from mirror.cli.names import NoSuchName, find_named
from mirror.cli.output import json_option, print_json, print_table, say
from mirror.config.errors import ConfigError
from mirror.model.content_lines import Component
from mirror.model.item import find_item
from mirror.model.keys import kept_key
from mirror.model.kinds import Collection
from mirror.model.names import ITEM_COMPONENTS
from mirror.model.record import Record, unpack_head
from mirror.model.stamp import format_stamp
from mirror.owned import make_private
from mirror.peer.remote import ChannelRemote

HEAD = b"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//citadel-mirror//EN\n"


def _calendars(remote: ChannelRemote, room: str) -> Iterator[tuple[Record, Component]]:
    """Yield the calendar items of a room, each as the calendar that it is."""
    for page in remote.getall(str(Collection("messages", room))):
        for record in page.records:
            found = None if record.dead else find_item(body_of(remote, record))
            if found is not None and found.component.name == "VCALENDAR":
                yield record, found.component


def _row(record: Record, component: Component) -> dict[str, str]:
    inner = next((one for one in component.inside if one.name in ITEM_COMPONENTS), component)
    return {
        "key": record.key,
        "kind": inner.name,
        "starts": inner.first("DTSTART") or inner.first("DUE"),
        "summary": inner.first("SUMMARY"),
        "changed": format_stamp(record.stamp),
    }


@calendar.command("list")
@click.option("--room", default="Calendar", show_default=True, help="The calendar's room.")
@json_option
@click.pass_obj
def calendar_list(directory: Path, room: str, as_json: bool) -> None:
    """List the events and tasks of a calendar."""
    with local_node(directory) as remote:
        key, name = find_named(remote, "rooms", room)
        rows = [_row(record, component) for record, component in _calendars(remote, key)]
    rows.sort(key=lambda row: (row["starts"], row["key"]))
    if as_json:
        print_json(rows)
    elif rows:
        print_table("", list(rows[0]), [list(row.values()) for row in rows])
    else:
        say(f"No items in {name}.")


@calendar.command("export")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--room", default="Calendar", show_default=True, help="The calendar's room.")
@json_option
@click.pass_obj
def calendar_export(directory: Path, file: Path, room: str, as_json: bool) -> None:
    """Write all events and tasks of a calendar into one new iCalendar FILE (- for standard output)."""
    _no_json_beside(file, as_json)
    count, parts = 0, dict[bytes, None]()  # zones that several items have are written once
    with local_node(directory) as remote:
        key, name = find_named(remote, "rooms", room)
        for _, component in _calendars(remote, key):
            count += 1
            parts |= {b"\n".join(one.written()).replace(b"\r\n", b"\n"): None for one in component.inside}
    text = HEAD + b"".join(one + b"\n" for one in parts) + b"END:VCALENDAR\n"
    _put_out(file, text.replace(b"\n", b"\r\n"))
    _told({"file": str(file), "room": name, "items": count}, f"{file}: {count} items of {name}.", as_json)


@file_group.command("list")
@click.argument("room")
@json_option
@click.pass_obj
def file_list(directory: Path, room: str, as_json: bool) -> None:
    """List the files in ROOM."""
    with local_node(directory) as remote:
        key, name = find_named(remote, "rooms", room)
        pages = remote.getall(str(Collection("files", key)))
        found = [(one, unpack_head(one.head)) for page in pages for one in page.records if not one.dead]
    if as_json:
        print_json([{"key": one.key, "changed": format_stamp(one.stamp), **head} for one, head in found])
    elif found:
        print_table("", ["name", "bytes", "type", "comment", "changed"], [
            [one.key, *(str(head.get(field, "")) for field in ("bytes", "type", "comment")), format_stamp(one.stamp)]
            for one, head in found
        ])  # fmt: skip
    else:
        say(f"No files in {name}.")


@file_group.command("get")
@click.argument("room")
@click.argument("name")
@click.option(
    "--to", "file", type=click.Path(path_type=Path), help="Where it is written (- for stdout).  [default: NAME]"
)
@json_option
@click.pass_obj
def file_get(directory: Path, room: str, name: str, file: Path | None, as_json: bool) -> None:
    """Write the file NAME of ROOM to a new file."""
    file = file or Path(Path(name).name)  # whoever put it there says where it goes in no way
    _no_json_beside(file, as_json)
    with local_node(directory) as remote:
        key, shown = find_named(remote, "rooms", room)
        collection = str(Collection("files", key))
        record = record_at(remote, collection, kept_key(collection, name))
        if record is None or record.dead:
            raise NoSuchName(f"there is no file {name!r} in {shown}; 'ctdlmirror file list' shows those there are")
        body = body_of(remote, record)
    _put_out(file, body)
    _told({"file": str(file), "bytes": len(body)}, f"{file}: {len(body):,} bytes.", as_json)


def _no_json_beside(file: Path, as_json: bool) -> None:
    if as_json and str(file) == "-":
        raise click.UsageError("--json needs a FILE: both would be on standard output")


def _told(values: dict[str, object], text: str, as_json: bool) -> None:
    if as_json:
        print_json(values)
    else:
        say(text, err=True)


def _put_out(file: Path, data: bytes) -> None:
    """Write bytes to a new file, or as they are to standard output.  Raises ConfigError."""
    if str(file) == "-":
        sys.stdout.buffer.write(data)
        return
    try:
        make_private(file, data)
    except FileExistsError:
        raise ConfigError(f"{file} exists already; name another file") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from None
