"""Small tools that read and change data by hand, through the same protocol as everybody."""

import mimetypes
import os
import sys
import time
from pathlib import Path

import click

from mirror.cli.app import cli
from mirror.cli.local import body_of, local_node, record_at
from mirror.cli.names import NoSuchName, find_named, require_calendar
from mirror.cli.output import json_option, print_json, report, say
from mirror.config.reading import load_config
from mirror.formats.calendar_file import parse_calendar_file
from mirror.formats.compose import compose_item, compose_post
from mirror.formats.errors import BadMessage, CitadelError
from mirror.formats.message import parse_message
from mirror.formats.shown_text import decoded
from mirror.model.draft import Draft
from mirror.model.drafting import deletion_of, draft_over
from mirror.model.keys import kept_key
from mirror.model.kinds import Collection
from mirror.model.merge import is_item
from mirror.model.record import pack_head
from mirror.model.stamp import format_stamp
from mirror.peer.remote import ChannelRemote
from mirror.wire.errors import Refused
from mirror.wire.lines import Code
from mirror.wire.readable import record_as_json


def write(
    remote: ChannelRemote, collection: str, key: str, body: bytes = b"", head: bytes = b"", dead: bool = False
) -> None:
    """Have the node write a record in the place of the version that is there now, as its own edit.

    Raises Refused when there is nothing to delete.
    """
    key = kept_key(collection, key)
    held = record_at(remote, collection, key)
    if dead:
        draft = Draft(collection, key, dead=True) if held is None else deletion_of(held)
        if not remote.draft([draft]).written:
            raise Refused(Code.NOT_FOUND, f"{collection} {key!r} is not here")
        return
    held_body = body_of(remote, held) if held is not None and not held.dead and is_item(held) else b""
    remote.draft([draft_over(held, collection, key, head=head, body=body, held_body=held_body)])


@cli.command()
@click.argument("room")
@click.argument("text", required=False)
@click.option("--subject", default="", help="The post's subject.")
@click.option("--author", default="Mirror Administrator", show_default=True, help="Whose post it is.")
@json_option
@click.pass_obj
def post(directory: Path, room: str, text: str | None, subject: str, author: str, as_json: bool) -> None:
    """Post TEXT (or standard input) into ROOM."""
    config = load_config(directory)
    if text is None and sys.stdin.isatty():
        say("The text, ended by Ctrl-D:", err=True)
    body = os.fsencode(text) if text is not None else sys.stdin.buffer.read()
    if not body.strip() and not subject:
        raise click.UsageError("nothing was posted: there is neither a TEXT nor a --subject")
    with local_node(directory) as remote:
        key, name = find_named(remote, "rooms", room)
        made = compose_post(config.node, author, name, subject, body, int(time.time()))
        remote.draft([Draft(str(Collection("messages", key)), made.key, body=made.body)])
    report(as_json, {"key": made.key, "room": name}, made.key)


@cli.command()
@click.argument("room")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1000), help="How many messages.")
@json_option
@click.pass_obj
def read(directory: Path, room: str, limit: int, as_json: bool) -> None:
    """Show the newest messages of ROOM, oldest first."""
    with local_node(directory) as remote:
        key, name = find_named(remote, "rooms", room)
        records = [record for page in remote.newest(str(Collection("messages", key)), limit) for record in page.records]
        bodies = [body_of(remote, record) for record in records]
    if as_json:
        print_json([{**record_as_json(record), **_fields(body)} for record, body in zip(records, bodies)])
        return
    if not records:
        say(f"No messages in {name}.")
    for record, body in zip(records, bodies):
        fields = _fields(body)
        author = fields["author"] + (f" <{fields['address']}>" if fields["address"] else "")
        say(f"{format_stamp(record.stamp)}  {author}: {fields['subject']}  [{record.key}]")
        for line in fields["message"].splitlines():
            say(f"    {line}")


def _fields(body: bytes) -> dict[str, str]:
    try:
        message = parse_message(body)
    except BadMessage as error:
        return {"author": "?", "address": "", "subject": "?", "message": f"({error})"}
    return {
        "author": decoded(message.text("A")),
        "address": message.text("F"),
        "subject": decoded(message.text("U")),
        "message": message.text("M"),
    }


@cli.command()
@click.argument("room")
@click.argument("key")
@json_option
@click.pass_obj
def delete(directory: Path, room: str, key: str, as_json: bool) -> None:
    """Delete the message with KEY (as 'read' shows it) from ROOM, everywhere."""
    with local_node(directory) as remote:
        room_key, name = find_named(remote, "rooms", room)
        try:
            write(remote, str(Collection("messages", room_key)), key, dead=True)
        except Refused as error:
            if error.code != Code.NOT_FOUND:
                raise
            raise NoSuchName(f"there is no message {key!r} in {name}; 'ctdlmirror read' shows their keys") from None
    report(as_json, {"key": key, "room": name}, f"{key} is deleted from {name}.")


@cli.group()
def calendar() -> None:
    """Calendar items."""


@calendar.command("add")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--room", default="Calendar", show_default=True, help="The calendar's room.")
@click.option("--author", default="Mirror Administrator", show_default=True, help="Whose item it is.")
@click.option("--any-room", is_flag=True, help="Also into a room that is for something else.")
@json_option
@click.pass_obj
def calendar_add(directory: Path, file: Path, room: str, author: str, any_room: bool, as_json: bool) -> None:
    """Add the items of an iCalendar FILE, or replace those with the same UID."""
    config = load_config(directory)
    with local_node(directory) as remote:
        key, name = find_named(remote, "rooms", room)
        if not any_room:
            require_calendar(remote, key, name)
        try:
            parsed = parse_calendar_file(file.read_bytes())
            items = [compose_item(config.node, author, name, item, int(time.time())) for item in parsed.items]
        except CitadelError as error:
            raise CitadelError(f"{file}: {error}") from None
        for what in parsed.left_out:
            say(f"{file}: left out: {what}, which is no event, task or journal entry", err=True)
        for item in items:
            write(remote, str(Collection("messages", key)), item.key, item.body)
            if not as_json:
                say(item.key)
    if as_json:
        print_json({"keys": [item.key for item in items], "room": name, "left_out": parsed.left_out})


@cli.group("file")
def file_group() -> None:
    """Files in rooms."""


@file_group.command("put")
@click.argument("room")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", help="The name in the room.  [default: the file's own]")
@click.option("--comment", default="", help="What the file is.")
@json_option
@click.pass_obj
def file_put(directory: Path, room: str, file: Path, name: str | None, comment: str, as_json: bool) -> None:
    """Put FILE into ROOM."""
    name = name or file.name
    try:
        name.encode()
    except UnicodeEncodeError:
        raise click.UsageError(f"the name {name!a} is not UTF-8; give the file another one with --name") from None
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    body = file.read_bytes()
    head = pack_head({"name": name, "type": kind, "comment": comment, "bytes": len(body)})
    with local_node(directory) as remote:
        key, room_name = find_named(remote, "rooms", room)
        write(remote, str(Collection("files", key)), name, body, head)
    values = {"name": name, "bytes": len(body), "room": room_name}
    report(as_json, values, f"{name}: {len(body):,} bytes in {room_name}.")
