"""Comparing this node with a peer, or with a Citadel server that it is a mirror of."""

import sys
from functools import partial
from pathlib import Path

import click

from mirror.cli.app import EXIT_DIFFERENT, cli
from mirror.cli.compare import show_nodes, show_shares
from mirror.cli.doors import open_door, password_file_option, server_dir_option
from mirror.cli.local import identity_of, local_node
from mirror.cli.output import json_option
from mirror.cli.verify_server import compare_with_server, show_server
from mirror.config import SHARE, Config, ConfigError, load_config, load_secrets, parse_server_place
from mirror.peer.dial import dial_peer
from mirror.peer.remote import ChannelRemote

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

    With a peer of kind share just the shared rooms are compared.  A server is named as for 'bootstrap': it makes an
    export, which is compared with what this node holds of it; no version counts, and what may differ is declared.
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
    secret = load_secrets(config.directory).get(name)
    if peer is not None and peer.address is None:
        raise ConfigError(f"{name} dials this node, so compare there: 'ctdlmirror verify {config.node}' at {name}")
    if peer is None or peer.address is None or secret is None:
        raise ConfigError(f"{name} is no peer with an address and a secret; 'ctdlmirror peer list' shows them")
    show = show_shares if peer.kind == SHARE else show_nodes
    with local_node(config.directory) as ours:
        identify = partial(identity_of, ours)
        channel, _ = dial_peer(peer, config.node, secret, TIMEOUT_S, identify=identify)
        equal = show(ours, ChannelRemote(channel), name, as_json)
        channel.close()
    return equal
