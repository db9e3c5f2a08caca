"""Comparing this node with a peer, or with a Citadel server that it is a mirror of."""

import sys
from functools import partial
from pathlib import Path

import click

from mirror.cli.app import EXIT_DIFFERENT, cli
from mirror.cli.compare import compare_with_mirror, compare_with_partner, show_nodes, show_rooms
from mirror.cli.doors import open_door, password_file_option, server_dir_option
from mirror.cli.local import ask_values, identity_of, local_node, sharing_status
from mirror.cli.output import json_option
from mirror.cli.verify_server import compare_with_server, show_server
from mirror.config.checking import parse_server_place
from mirror.config.errors import ConfigError
from mirror.config.reading import load_config
from mirror.config.secrets import load_secrets
from mirror.config.settings import SHARE, Config, Peer
from mirror.peer.channel import ConnectionLost
from mirror.peer.dial import dial_peer
from mirror.peer.remote import ChannelRemote
from mirror.wire.errors import Refused
from mirror.wire.lines import Code
from mirror.wire.status import ComparisonStatus

TIMEOUT_S = 90.0


@cli.command()
@click.argument("target", metavar="PEER|citadel://...")
@password_file_option
@server_dir_option
@click.option("--declared", is_flag=True, help="citadel://: also show what may differ.")
@json_option
@click.pass_obj
def verify(
    directory: Path,
    target: str,
    password_file: Path | None,
    server_dir: Path | None,
    declared: bool,
    as_json: bool,
) -> None:
    """Compare with a peer or a Citadel server, and name the first records that differ.

    With a peer of kind share just the shared rooms are compared.  One that dials this node is asked to compare where
    it follows what changes here, and tells what it finds.  A server is named as for 'bootstrap': it makes an export,
    which is compared with what this node holds of it; no version counts, and what may differ is declared.
    """
    config = load_config(directory)
    if target.startswith("citadel:"):
        door = open_door(config, parse_server_place(target), password_file, server_dir)
        found = compare_with_server(config, door, as_json)
        show_server(found, target, declared, as_json)
        sys.exit(0 if found.equal else EXIT_DIFFERENT)
    if declared or password_file or server_dir:
        raise click.UsageError("--declared, --password-file and --server-dir are for citadel://")
    sys.exit(0 if _verify_peer(config, target, as_json) else EXIT_DIFFERENT)


def _verify_peer(config: Config, name: str, as_json: bool) -> bool:
    peer = config.peer(name)
    if peer is None:
        raise ConfigError(f"{name} is no peer; 'ctdlmirror peer list' shows them")
    with local_node(config.directory) as ours:
        found = _compare(config, peer, ours) if peer.address is not None else _ask(name, ours)
        notes = sharing_status(ours).peers.get(name, [])
    if peer.kind == SHARE:
        show_rooms(found, notes, as_json)
    else:
        show_nodes(found, as_json)
    return found.equal


def _ask(name: str, ours: ChannelRemote) -> ComparisonStatus:
    """Have a peer that dials us compare.  Raises ConnectionLost where it is not there, or goes."""
    try:
        return ask_values(ours, f"SYNC all|verify|{name}", ComparisonStatus)[0]
    except Refused as error:
        if error.code not in (Code.NOT_FOUND, Code.BUSY):
            raise
        raise ConnectionLost(error.text) from None


def _compare(config: Config, peer: Peer, ours: ChannelRemote) -> ComparisonStatus:
    """Dial a peer and compare with it."""
    secret = load_secrets(config.directory).get(peer.name)
    if secret is None:
        raise ConfigError(f"peer {peer.name} has no secret: run 'ctdlmirror peer add' again")
    channel, _ = dial_peer(peer, config.node, secret, TIMEOUT_S, identify=partial(identity_of, ours))
    theirs = ChannelRemote(channel)
    try:
        if peer.kind == SHARE:
            return compare_with_partner(config.node, ours, theirs, peer.name)
        return compare_with_mirror(ours, theirs, peer.name)
    finally:
        channel.close()
