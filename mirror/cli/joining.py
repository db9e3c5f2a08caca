"""Two nodes become peers by one string: ``peer invite`` prints it, ``join`` reads it and does all the rest."""

import secrets as random_secrets
import socket
import sys
import time
from pathlib import Path

import click

from mirror.addresses import Address
from mirror.cli.app import cli
from mirror.cli.local import ask_values, daemon_channel, greeted, reload_daemon
from mirror.cli.output import json_option, print_json, say
from mirror.cli.setup import check_other, kind_option, peer, set_up
from mirror.config.changing import admit_peer
from mirror.config.checking import parse_address
from mirror.config.errors import ConfigError
from mirror.config.files import CONFIG_FILE
from mirror.config.reading import load_config
from mirror.config.secrets import load_secrets, save_invitation
from mirror.config.settings import SHARE, Config, Peer, PeerKind
from mirror.invitation import VALID_S, Invitation, read_invitation, write_invitation
from mirror.peer.channel import ConnectionLost
from mirror.peer.dial import NotAuthenticated, dial_peer
from mirror.peer.tls import own_fingerprint
from mirror.wire.status import NodeStatus

TIMEOUT_S = 30.0
EVERYWHERE = ("0.0.0.0", "::")
"""Hosts that stand for all addresses of a machine."""


@peer.command("invite")
@click.argument("name")
@kind_option
@click.option("--address", "addresses", multiple=True, help="HOST:PORT at which it finds us.  [default: as we listen]")
@json_option
@click.pass_obj
def peer_invite(directory: Path, name: str, kind: PeerKind, addresses: tuple[str, ...], as_json: bool) -> None:
    """Print an invitation for the node NAME, which 'ctdlmirror join' takes there within a day, once.

    Whoever has it becomes that node: carry it as you would a password.
    """
    config = load_config(directory)
    check_other(config, name)
    if config.peer(name) is not None and name in load_secrets(directory):
        raise ConfigError(f"{name} is a peer already; 'ctdlmirror peer remove {name}' first, to invite it anew")
    where = [str(parse_address(one, "--address")) for one in addresses] or _listening(directory, config)
    secret, until = random_secrets.token_urlsafe(32), int(time.time()) + VALID_S
    admit_peer(directory, Peer(name, kind=kind), None)
    save_invitation(directory, name, secret, until)
    reloaded = reload_daemon(directory) is not None
    text = write_invitation(
        Invitation(config.node, name, kind, where, f"pin:{own_fingerprint(directory)}", secret, until)
    )
    if as_json:
        print_json({"invitation": text, "addresses": where, "until": until, "reloaded": reloaded})
        return
    say(text)
    say(
        f"Type 'ctdlmirror join' at {name} and paste it there, within a day; it finds us at {', '.join(where)}.",
        err=True,
    )
    if not reloaded:
        say("No daemon runs here: start 'ctdlmirror daemon' before.", err=True)


def _listening(directory: Path, config: Config) -> list[str]:
    """Return where others find this node: its daemon's addresses, else those of its configuration."""
    channel = daemon_channel(directory)
    if channel is None:
        listed = [str(address) for address in config.listen.addresses]
    else:
        listed = ask_values(greeted(channel), "SYNC all|status", NodeStatus)[0].addresses
        channel.close()
    if not listed:
        raise ConfigError(f"this node listens nowhere: set addresses in {directory / CONFIG_FILE}, [listen]")
    found = [parse_address(one, "[listen] addresses") for one in listed]
    return [str(Address(_own_name(one.port), one.port) if one.host in EVERYWHERE else one) for one in found]


def _own_name(port: int) -> str:
    """Return the name by which others find this machine.  Raises ConfigError where it knows none."""
    name = socket.getfqdn()
    if name.partition(".")[0].lower() == "localhost":
        raise ConfigError(f"this machine knows no name by which others find it: tell one, --address HOST:{port}")
    return name


@cli.command()
@click.option("--listen", default="127.0.0.1:2504", show_default=True, help="Where peers and clients connect to.")
@click.option("--merge", is_flag=True, help="The copy is merged into what this node holds already.")
@click.option("--no-bootstrap", is_flag=True, help="Make no first copy now.")
@json_option
@click.pass_obj
def join(directory: Path, listen: str, merge: bool, no_bootstrap: bool, as_json: bool) -> None:
    """Become the peer of the node that printed an invitation, read from standard input.

    On a terminal it is asked for.  Sets the node up if there is none yet, makes the other one its peer, and copies what
    that holds.
    """
    one = read_invitation(_read_text())
    if time.time() > one.until:
        raise ConfigError(f"the invitation has ended: 'ctdlmirror peer invite {one.guest}' at {one.node} makes another")
    config = _node_of(directory, one, listen)
    peer = _exchange(directory, config, one)
    if not as_json:
        say(f"{one.node} at {peer.address} is a peer of {config.node} now, and knows it.")
    copied = peer.kind != SHARE and not no_bootstrap
    if copied:
        from mirror.cli.transfer import copy_from

        copy_from(load_config(directory), peer, merge, as_json)
    elif as_json:
        print_json({"peer": one.node, "address": str(peer.address), "kind": peer.kind})
    if not as_json:
        say(_next(peer, copied))


def _read_text() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Invitation", hide_input=True, err=True))
    return sys.stdin.read()


def _node_of(directory: Path, one: Invitation, listen: str) -> Config:
    """Return the node's configuration, of one that is set up now if there is none.  Raises ConfigError."""
    if not (directory / CONFIG_FILE).exists():
        set_up(directory, one.guest, parse_address(listen, "--listen"))
    config = load_config(directory)
    if config.node != one.guest:
        raise ConfigError(f"{one.node} has invited {one.guest}, this node is {config.node}")
    return config


def _exchange(directory: Path, config: Config, one: Invitation) -> Peer:
    """Log in by the invitation, and give a secret that nobody has seen in place of its own; returns the peer.

    The new secret is kept before it is told: where the answer is lost, the next attempt finds out which of both holds.
    """
    own = load_secrets(directory).get(one.node)
    if own is not None and _first_that_answers(config, one, own) is not None:
        return _kept(directory, one, own)
    found = _first_that_answers(config, one, one.secret)
    if found is None:
        raise NotAuthenticated(f"{one.node} does not know the invitation's secret: it was used, or made anew")
    own = random_secrets.token_urlsafe(32)
    peer = _kept(directory, one, own, found)
    channel, _ = dial_peer(peer, config.node, one.secret, TIMEOUT_S)
    try:
        channel.ask(f"SYNC all|join|{own}")
    finally:
        channel.close()
    return peer


def _kept(directory: Path, one: Invitation, secret: str, peer: Peer | None = None) -> Peer:
    if peer is None:
        peer = next(held for held in load_config(directory).peers if held.name == one.node)
    admit_peer(directory, peer, secret)
    return peer


def _first_that_answers(config: Config, one: Invitation, secret: str) -> Peer | None:
    """Return the inviting node as a peer at the first of its addresses that can be dialled, if the secret is right."""
    lost: list[str] = []
    for text in one.addresses:
        kind: PeerKind = "share" if one.kind == SHARE else "mirror"
        peer = Peer(one.node, parse_address(text, "the invitation"), one.pin, kind)
        try:
            channel, _ = dial_peer(peer, config.node, secret, TIMEOUT_S)
        except ConnectionLost as error:
            lost.append(str(error))
            continue
        except NotAuthenticated:
            return None
        channel.close()
        return peer
    raise ConnectionLost(f"{one.node} cannot be reached: {'; '.join(lost)}")


def _next(peer: Peer, copied: bool) -> str:
    if peer.kind == SHARE:
        return f"Next: 'ctdlmirror room share ROOM {peer.name}' for each room, then 'ctdlmirror daemon'."
    if copied:
        return "Next: 'ctdlmirror daemon', or the service (contrib/ctdlmirror.service); 'ctdlmirror verify' proves it."
    return f"Next: 'ctdlmirror bootstrap mirror://{peer.address}', then 'ctdlmirror daemon'."
