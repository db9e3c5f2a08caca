"""Taking data over: import a MIGR export, bootstrap from a Citadel server or another node."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click
import msgspec

from mirror.citadel.client import CitadelClient
from mirror.citadel.importer import Importer, Report
from mirror.citadel.leftovers import Fetched, fetch_leftovers
from mirror.cli.app import EXIT_DIFFERENT, cli
from mirror.cli.output import json_option, meter, print_json
from mirror.cli.setup import read_secret_file
from mirror.config import Address, Config, ConfigError, Peer, load_config, load_secrets
from mirror.peer.channel import connect
from mirror.peer.dial import dial_peer
from mirror.peer.prefetch import prefetch
from mirror.peer.remote import ChannelRemote
from mirror.store.base import Reader, Store, StoreError
from mirror.store.green import open_green
from mirror.store.open import Options, open_store
from mirror.sync.bootstrap import copy_all
from mirror.sync.pull import PULL
from mirror.wire.codec import ContentRequest, Cursor
from mirror.wire.values import Page, Part

BLOCK = 1024 * 1024
TIMEOUT_S = 90.0
SHOWN_NOTICES = 20
SNGL_WAIT_S, SNGL_EXPIRE_S = 120, 500


@cli.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--node", default="", help="The server's node name, where the export doesn't tell it.")
@json_option
@click.pass_obj
def import_file(directory: Path, file: Path, node: str, as_json: bool) -> None:
    """Take over a MIGR export (FILE, or - for standard input), plain or as the server sent it.

    Stop and repeat it as you like: it goes on where it was, and what is there already stays as it is.
    """
    config = load_config(directory)
    store = open_store(directory, config.node, options=Options("ctdlmirror import"))
    try:
        total = None if str(file) == "-" else file.stat().st_size
        with meter(f"import {file.name}", total, quiet=as_json) as shown:
            importer = Importer(store, _source_name(file), node.lower(), shown.update)
            report = importer.run(_blocks(file))
            shown.update(total or shown.done)
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
    finally:
        store.close()
    _show_report(report, None, as_json)


def _source_name(file: Path) -> str:
    """Name an export so that another one, or a changed one, is not taken for the rest of this one."""
    if str(file) == "-":
        return f"-{os.getpid()}"
    state = file.stat()
    return f"{file.resolve()}:{state.st_size}:{state.st_mtime_ns}"


def _blocks(file: Path) -> Iterator[bytes]:
    with sys.stdin.buffer if str(file) == "-" else file.open("rb") as stream:
        while block := stream.read(BLOCK):
            yield block


def _show_report(report: Report, fetched: Fetched | None, as_json: bool) -> None:
    if as_json:
        value: dict[str, Any] = {"import": msgspec.to_builtins(report)}
        if fetched is not None:
            value["fetched"] = msgspec.to_builtins(fetched)
        print_json(value)
        return
    counts = report.elements
    click.echo(
        f"Server {report.node}: "
        + ", ".join(f"{counts.get(name, 0)} {name}s" for name in ("message", "user", "room", "floor", "visit"))
        + f", {counts.get('config', 0)} settings."
    )
    click.echo(f"{report.applied.written} records written, {report.applied.already_held} were there already.")
    if fetched is not None:
        click.echo(
            f"{fetched.files} room files ({fetched.bytes:,} bytes) and {fetched.banners} system messages fetched, "
            f"{fetched.unchanged} files unchanged."
        )
    refused = report.refused + (fetched.refused if fetched is not None else [])
    for title, lines in (("Refused", refused), ("Noticed", report.notices)):
        if lines:
            click.echo(f"{title} ({len(lines)}):")
            for line in lines[:SHOWN_NOTICES]:
                click.echo(f"  {line}")
            if len(lines) > SHOWN_NOTICES:
                click.echo(f"  ... and {len(lines) - SHOWN_NOTICES} more; --json lists them all")


@cli.command()
@click.argument("url")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="citadel://: file with the password (else $CITADEL_PASSWORD or a prompt).",
)
@click.option("--online", is_flag=True, help="mirror://: don't ask for single-user mode.")
@click.option("--merge", is_flag=True, help="Merge into a store that holds something already.")
@click.option("--wait", default=SNGL_WAIT_S, show_default=True, help="Seconds that users get to finish.")
@json_option
@click.pass_obj
def bootstrap(
    directory: Path, url: str, password_file: Path | None, online: bool, merge: bool, wait: int, as_json: bool
) -> None:
    """Make the first copy: from a live server (citadel://ADMIN@HOST:504) or a node (mirror://HOST:PORT).

    The same command resumes after an interruption.  mirror:// needs the node in 'ctdlmirror peer add'.
    """
    config = load_config(directory)
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise ConfigError(f"{url!r}: the port is no number from 1 to 65535") from None
    if parts.password:
        raise ConfigError("a password in a URL is seen by others: use --password-file, $CITADEL_PASSWORD or the prompt")
    if parts.scheme == "citadel" and parts.hostname:
        _from_citadel(
            config,
            Address(parts.hostname, port or 504),
            unquote(parts.username or "admin"),
            password_file,
            merge,
            as_json,
        )
    elif parts.scheme == "mirror" and parts.hostname:
        peer = _find_peer(config, Address(parts.hostname, port or 2504))
        _from_mirror(config, peer, online, merge, wait, as_json)
    else:
        raise ConfigError(f"{url!r} is no citadel://ADMIN@HOST:PORT nor mirror://HOST:PORT")


def _refuse_full(store: Store, source: str, merge: bool) -> None:
    """Refuse a store that holds something, unless it is the beginning of this very copy."""

    def job(reader: Reader) -> bool:
        begun = reader.cursor(source, PULL).sequence or reader.meta_number(f"bootstrap:{source}")
        return bool(reader.is_empty() or begun)

    if not merge and not store.read(job):
        raise StoreError("the store holds something already; --merge adds the other's data to it")


# -- from a real Citadel server -----------------------------------------------------------------------


def _password(user: str, file: Path | None) -> str:
    if file is not None:
        return read_secret_file(file)
    if "CITADEL_PASSWORD" in os.environ:
        return os.environ["CITADEL_PASSWORD"]
    if not sys.stdin.isatty():
        raise ConfigError("no password: give --password-file FILE or set CITADEL_PASSWORD")
    return str(click.prompt(f"Password of {user}", hide_input=True))


def _from_citadel(
    config: Config, address: Address, user: str, password_file: Path | None, merge: bool, as_json: bool
) -> None:
    if not (address.loopback or config.plaintext):
        raise ConfigError(
            f"Citadel's protocol would carry the password in clear to {address.host}: reach it through a tunnel on "
            f"this machine, or set plaintext = true in [listen] of {config.directory / 'mirror.toml'}"
        )
    password = _password(user, password_file)
    source = f"citadel:{address}"
    store = open_store(config.directory, config.node, options=Options("ctdlmirror bootstrap"))
    try:
        _refuse_full(store, source, merge)
        client = CitadelClient(connect(address.host, address.port, TIMEOUT_S))
        client.log_in(user, password)
        store.write(lambda writer: writer.set_meta(f"bootstrap:{source}", 1))
        with meter(f"export of {address}", None, quiet=as_json) as shown:
            importer = Importer(store, source, progress=shown.update)
            # A new export need not have its elements where the last one had them: never resume by offset.
            store.write(lambda writer: writer.set_meta(f"import:{source}", 0))
            report = importer.run(client.export())
        with meter("room files", None, quiet=as_json) as shown:
            fetched = fetch_leftovers(client, store, report.node)
            shown.update(fetched.bytes)
        client.quit()
    finally:
        store.close()
    _show_report(report, fetched, as_json)


# -- from another node --------------------------------------------------------------------------------


def _find_peer(config: Config, address: Address) -> Peer:
    for peer in config.peers:
        if peer.address == address:
            if peer.kind == "share":
                raise ConfigError(f"peer {peer.name} just shares rooms: 'ctdlmirror room share' copies their history")
            return peer
    raise ConfigError(f"no peer has the address {address}: run 'ctdlmirror peer add NAME --address {address}' first")


def _from_mirror(config: Config, peer: Peer, online: bool, merge: bool, wait: int, as_json: bool) -> None:
    secret = load_secrets(config.directory).get(peer.name)
    if secret is None:
        raise ConfigError(f"peer {peer.name} has no secret: run 'ctdlmirror peer add' again")
    store = open_green(
        config.directory,
        config.node,
        options=Options("ctdlmirror bootstrap", max_ahead_ms=config.max_clock_ahead_s * 1000),
    )
    try:
        _refuse_full(store, peer.name, merge)
        bulk, bodies = (_dial(config, peer, secret) for _ in range(2))
        if not online:
            click.echo(f"asking {peer.name} for single-user mode (up to {wait} s)", err=True)
            bulk.channel.set_timeout(wait + TIMEOUT_S)
            bulk.channel.ask(f"SNGL {wait}|{SNGL_EXPIRE_S}")
            bulk.channel.set_timeout(TIMEOUT_S)
        state = bulk.pin()
        if not online:
            bulk.channel.ask("ESNG")
        empty = store.read(lambda reader: reader.is_empty())
        store.write(lambda writer: writer.set_meta(f"bootstrap:{peer.name}", 1))
        with meter(
            f"bootstrap from {peer.name}", None if not empty else state.digest.count, "records", as_json
        ) as shown:
            remote = _Ahead(bulk, bodies)
            copied = copy_all(
                store,
                remote,
                state,
                merging=merge and not empty,
                progress=lambda records, _bytes: shown.advance(records),
            )
    finally:
        store.close()
    result = {
        "peer": peer.name, "resumed": copied.resumed, "written": copied.applied.written,
        "already_held": copied.applied.already_held, "conflicts": copied.applied.conflicts,
        "collections": len(state.collections or {}), "records": state.digest.count, "unequal": copied.unequal,
        "received_bytes": bulk.channel.received + bodies.channel.received,
    }  # fmt: skip
    if as_json:
        print_json(result)
    else:
        click.echo(
            f"{'Resumed; ' if copied.resumed else ''}{copied.applied.written} records written, "
            f"{copied.applied.already_held} were there already, {copied.applied.conflicts} conflicts."
        )
        if merge and not copied.unequal:
            click.echo(f"Verified: all {state.digest.count} records of {peer.name} are here.")
        elif not copied.unequal:
            click.echo(
                f"Verified: {result['collections']} collections, {state.digest.count} records, all digests equal."
            )
    if copied.unequal:
        click.echo(f"NOT EQUAL: {', '.join(copied.unequal)}; run 'ctdlmirror verify {peer.name}'", err=True)
        sys.exit(EXIT_DIFFERENT)


def _dial(config: Config, peer: Peer, secret: str) -> ChannelRemote:
    channel, _ = dial_peer(peer, config.node, secret, TIMEOUT_S)
    return ChannelRemote(channel)


class _Ahead:
    """A remote that reads the feed ahead on one connection and everything else on another."""

    def __init__(self, bulk: ChannelRemote, other: ChannelRemote) -> None:
        self._bulk = bulk
        self._other = other
        self.info = bulk.info
        self.heard = bulk.heard
        self.get = bulk.get
        self.ranges = bulk.ranges
        self.lacks = bulk.lacks
        self.offer = bulk.offer

    def since(self, cursor: Cursor) -> Iterator[Page]:
        return prefetch(self._bulk.since(cursor))

    def body(self, requests: Sequence[ContentRequest]) -> Iterator[Part]:
        return prefetch(self._other.body(requests))
