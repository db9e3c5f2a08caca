"""Records of peers that were set aside: listing them, keeping them in a file, trying them again."""

import base64
import json
from pathlib import Path

import click
import msgspec

from mirror.cli.app import cli
from mirror.cli.local import ask_values, local_node
from mirror.cli.output import json_option, print_json, print_table, report, say
from mirror.config.errors import ConfigError
from mirror.model.stamp import format_stamp, make_stamp
from mirror.wire.answers import parse_applied
from mirror.wire.status import AsideStatus


@cli.group()
def aside() -> None:
    """Records of peers that cannot be taken: they stop nothing, and are kept.

    A newer version may write what this one does not know, and a wrong clock may write ahead of time. Such records are
    kept apart, never served, and tried again when they are due and after an upgrade.
    """


def _find(directory: Path, peer: str) -> list[AsideStatus]:
    with local_node(directory) as remote:
        return ask_values(remote, "SYNC all|aside" + (f"|{peer}" if peer else ""), AsideStatus)


@aside.command("list")
@click.argument("peer", default="")
@json_option
@click.pass_obj
def aside_list(directory: Path, peer: str, as_json: bool) -> None:
    """List them, of PEER or of all."""
    found = _find(directory, peer)
    if as_json:
        print_json(found)
    elif not found:
        say("Nothing is set aside.")
    else:
        print_table("", ["peer", "collection", "key", "written", "bytes", "why", "tried again"], [
            [one.peer, one.collection, one.key, format_stamp(one.stamp), str(one.size), one.reason, _due(one)]
            for one in found
        ])  # fmt: skip


def _due(one: AsideStatus) -> str:
    return format_stamp(make_stamp(one.due_ms)) if one.due_ms else "after an upgrade"


@aside.command("show")
@click.argument("peer")
@click.argument("collection")
@click.argument("key")
@json_option
@click.pass_obj
def aside_show(directory: Path, peer: str, collection: str, key: str, as_json: bool) -> None:
    """Show all of one, as JSON where it can be read."""
    wanted = [one for one in _find(directory, peer) if (one.collection, one.key) == (collection, key)]
    if not wanted:
        raise ConfigError(f"no record {collection} {key!r} of {peer} is set aside; 'ctdlmirror aside list' shows them")
    (one,) = wanted
    if as_json:
        print_json(one)
        return
    say(f"{one.collection} {one.key} of {one.peer}, written {format_stamp(one.stamp)}, CRC {one.crc}")
    say(f"  Why: {one.reason}")
    say(f"  Here: {f'a version with CRC {one.own_crc}' if one.own_crc else 'nothing'}")
    say(f"  Tried again: {_due(one)}")
    try:
        say(f"  {json.dumps(msgspec.to_builtins(msgspec.msgpack.decode(base64.b64decode(one.data))))}")
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        say(f"  {one.data}")


@aside.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("peer", default="")
@json_option
@click.pass_obj
def aside_export(directory: Path, file: Path, peer: str, as_json: bool) -> None:
    """Write them to a new FILE, a line of JSON each, with their bytes in base64."""
    found = _find(directory, peer)
    try:
        with file.open("xb") as stream:
            for one in found:
                stream.write(msgspec.json.encode(one) + b"\n")
    except FileExistsError:
        raise ConfigError(f"{file} exists already; an export never replaces a file") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from None
    report(as_json, {"file": str(file), "records": len(found)}, f"{file}: {len(found)} records.")


@aside.command("retry")
@json_option
@click.pass_obj
def aside_retry(directory: Path, as_json: bool) -> None:
    """Try all of them again."""
    with local_node(directory) as remote:
        applied = parse_applied(remote.channel.ask("SYNC all|retry-aside").text)
    left = len(_find(directory, ""))
    values = {"written": applied.written, "left": left}
    report(as_json, values, f"{applied.written} records were taken in, {left} stay set aside.")


@aside.command("forget")
@click.argument("peer")
@json_option
@click.pass_obj
def aside_forget(directory: Path, peer: str, as_json: bool) -> None:
    """Forget those of PEER, say one that is no peer any more.  What it still sends is set aside anew."""
    with local_node(directory) as remote:
        reply = remote.channel.ask(f"SYNC all|forget-aside|{peer}")
    values = {"peer": peer, "records": int(reply.text)}
    report(as_json, values, f"{reply.text} records of {peer} are forgotten.")
