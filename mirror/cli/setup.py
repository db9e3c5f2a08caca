"""Setting a node up: init, peer, daemon."""

import secrets as random_secrets
import socket
import sys
from pathlib import Path

import click

from mirror.addresses import DEFAULT_PORT, Address
from mirror.cli.app import cli, set_up_logging
from mirror.cli.local import reload_daemon
from mirror.cli.output import json_option, print_json, print_table, report, say
from mirror.config.changing import admit_peer, remove_peer
from mirror.config.checking import authority_file, check_node_name, check_trust, parse_address
from mirror.config.errors import ConfigError
from mirror.config.files import CONFIG_FILE, check_private, make_directory, write_private
from mirror.config.reading import load_config, template
from mirror.config.secrets import MIN_SECRET, load_secrets
from mirror.config.settings import PEER_KINDS, PUSHES, Config, ListenSettings, Peer, PeerKind, Push
from mirror.owned import make_private
from mirror.peer.tls import client_context, ending, make_certificate, own_fingerprint
from mirror.store.errors import StoreExists, StoreMissing
from mirror.store.open import Options, open_store


def _default_node() -> str:
    return socket.gethostname().split(".")[0].lower()


@cli.command()
@click.option("--node", default=_default_node, help="The node's name; it never changes.  [default: this host's name]")
@click.option(
    "--listen", default=f"127.0.0.1:{DEFAULT_PORT}", show_default=True, help="Where peers and clients connect to."
)
@click.option("--new-store", is_flag=True, help="Only begin an empty store, for a node that has lost its own.")
@json_option
@click.pass_obj
def init(directory: Path, node: str, listen: str, new_store: bool, as_json: bool) -> None:
    """Set up a node: its directory, store, certificate and commented configuration."""
    if new_store:
        _begin_store(directory)
        return
    address = parse_address(listen, "--listen")
    fingerprint = set_up(directory, node, address)
    if as_json:
        print_json({"node": node, "directory": str(directory), "listen": str(address), "fingerprint": fingerprint})
        return
    say(f"Node {node} is set up in {directory}.")
    say(f"Its certificate's fingerprint, for its peers: pin:{fingerprint}")
    say(f"Its settings: {directory / CONFIG_FILE}")
    say(
        "Next: 'ctdlmirror attach citadel:///run/citadel' to follow a server, or 'ctdlmirror import FILE' or "
        "'ctdlmirror bootstrap URL' to copy one; then 'ctdlmirror daemon'."
    )


def set_up(directory: Path, node: str, address: Address) -> str:
    """Make a node's directory, store, certificate and configuration; returns the fingerprint.  Raises ConfigError."""
    check_node_name(node)
    if (directory / CONFIG_FILE).exists():
        raise ConfigError(f"{directory / CONFIG_FILE} exists: this node is set up already")
    make_directory(directory)
    config = Config(directory, node, ListenSettings([address]))
    open_store(directory, node, config.store.url).close()
    fingerprint = make_certificate(directory, node, [address.host])
    write_private(directory / CONFIG_FILE, template(config))
    return fingerprint


def _begin_store(directory: Path) -> None:
    config = load_config(directory)
    try:
        open_store(directory, config.node, config.store.url, Options("ctdlmirror init", create=False)).close()
    except StoreMissing:
        open_store(directory, config.node, config.store.url, Options("ctdlmirror init")).close()
        say(f"The store of {config.node} is empty now; peers fill it once 'ctdlmirror daemon' runs.")
    else:
        raise StoreExists(f"the store in {directory} is there: move it away first, a new one never replaces a store")


@cli.group()
def peer() -> None:
    """Manage the nodes that this one replicates with."""


kind_option = click.option(
    "--kind",
    type=click.Choice(PEER_KINDS),
    default="mirror",
    show_default=True,
    help="A mirror gets everything; with one to share with, rooms are shared by 'room share'.",
)


def check_other(config: Config, name: str) -> None:
    """Raise ConfigError for what cannot be the name of another node."""
    check_node_name(name)
    if name == config.node:
        raise ConfigError(f"{name} is this node itself")


@peer.command("add")
@click.argument("name")
@click.option("--address", help="HOST:PORT to dial; without it the peer dials us.")
@click.option("--trust", default="system", show_default=True, help="'system', 'ca:FILE' or 'pin:FINGERPRINT'.")
@kind_option
@click.option(
    "--push",
    type=click.Choice(PUSHES),
    default="auto",
    show_default=True,
    help="Whether we push to it too.",
)
@click.option(
    "--secret-file", type=click.Path(path_type=Path), help="File with the shared secret ('-': standard input)."
)
@click.option(
    "--new-secret", type=click.Path(path_type=Path), help="Make a secret and write it to this file, for the peer."
)
@json_option
@click.pass_obj
def peer_add(
    directory: Path,
    name: str,
    address: str | None,
    trust: str,
    kind: PeerKind,
    push: Push,
    secret_file: Path | None,
    new_secret: Path | None,
    as_json: bool,
) -> None:
    """Add a peer, or change one.  Both sides need the same secret."""
    config = load_config(directory)
    check_other(config, name)
    trust = _trust(trust)
    where = parse_address(address, "--address") if address else None
    known = load_secrets(directory).get(name)
    secret = _secret(name, secret_file, new_secret, known if config.peer(name) is not None else None)
    admit_peer(directory, Peer(name, where, trust, kind, push), secret)
    reloaded = reload_daemon(directory)
    pin = f"pin:{own_fingerprint(directory)}"
    if as_json:
        told = {"peer": name, "address": str(where) if where else "", "pin": pin, "reloaded": reloaded is not None}
        print_json(told)
        return
    say(f"Peer {name} {'at ' + str(where) if where else '(dials us)'} is in {directory / CONFIG_FILE}.")
    say(f"It needs the same secret, and for our certificate: --trust {pin}")
    if reloaded is not None:
        say("The running daemon has taken it over.")


def _trust(given: str) -> str:
    """Return how a certificate is proved, by a file that is found from anywhere.  Raises ConfigError."""
    check_trust(given, "--trust")
    file = authority_file(given)
    trust = given if file is None else f"ca:{file.absolute()}"
    client_context(trust)  # so that a file that is of no use is told now
    return trust


def _secret(name: str, secret_file: Path | None, new_secret: Path | None, held: str | None) -> str:
    if new_secret is not None:
        secret = random_secrets.token_urlsafe(32)
        _keep_secret(new_secret, secret)
        return secret
    if secret_file is not None:
        secret = sys.stdin.readline().strip() if str(secret_file) == "-" else read_secret_file(secret_file)
    elif held is not None:
        return held
    elif sys.stdin.isatty():
        secret = click.prompt(f"Secret shared with {name}", hide_input=True, confirmation_prompt=True, err=True)
    else:
        raise ConfigError("no secret: give --secret-file FILE, or --new-secret FILE to make one")
    if len(secret) < MIN_SECRET:
        raise ConfigError(f"the secret has fewer than {MIN_SECRET} characters; --new-secret FILE makes a good one")
    return str(secret)


def _keep_secret(path: Path, secret: str) -> None:
    try:
        make_private(path, f"{secret}\n".encode())
    except FileExistsError:
        raise ConfigError(f"{path} exists already; a new secret replaces no file: name another one") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be made: {error.strerror}") from None


def read_secret_file(path: Path) -> str:
    """Return the first line of a file that only its owner may read.  Raises ConfigError."""
    check_private(path)
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    if not lines or not lines[0]:
        raise ConfigError(f"{path} is empty")
    return lines[0]


@peer.command("list")
@json_option
@click.pass_obj
def peer_list(directory: Path, as_json: bool) -> None:
    """List the peers in the configuration."""
    config, known = load_config(directory), load_secrets(directory)
    rows = [
        (p.name, str(p.address) if p.address else "", p.kind, p.trust, p.push, p.name in known) for p in config.peers
    ]
    if as_json:
        print_json([dict(zip(("name", "address", "kind", "trust", "push", "has_secret"), row)) for row in rows])
    elif rows:
        print_table("", ["peer", "address", "kind", "trust", "push", "secret"], [
            [name, address or "(dials us)", kind, trust, push, "yes" if has else "MISSING"]
            for name, address, kind, trust, push, has in rows
        ])  # fmt: skip
    else:
        say("No peers yet; 'ctdlmirror peer add --help' tells how to add one.")


@peer.command("remove")
@click.argument("name")
@json_option
@click.pass_obj
def peer_remove(directory: Path, name: str, as_json: bool) -> None:
    """Remove a peer and its secret; what was replicated stays."""
    load_config(directory)
    if not remove_peer(directory, name):
        raise ConfigError(f"there is no peer {name}; 'ctdlmirror peer list' shows those there are")
    reloaded = reload_daemon(directory)
    dropped = "; the running daemon has dropped it" if reloaded is not None else ""
    told = f"Peer {name} is removed{dropped}.  What came from it stays."
    report(as_json, {"peer": name, "reloaded": reloaded is not None}, told)


@cli.command()
@click.pass_obj
def daemon(directory: Path) -> None:
    """Run the node: listen, dial the peers, keep everything equal.  SIGTERM stops it, SIGHUP reloads."""
    from mirror.server.daemon import Daemon

    set_up_logging(load_config(directory).log.level)
    Daemon(directory).run()


@cli.command()
@json_option
@click.pass_obj
def reload(directory: Path, as_json: bool) -> None:
    """Have the running daemon take its settings and certificate over again, if they are good."""
    notes = reload_daemon(directory)
    if notes is None:
        raise ConfigError(f"no daemon runs in {directory}; it reads its configuration when it starts")
    report(as_json, {"notes": notes}, *notes, "The daemon has reloaded.")


@cli.group("config")
def config_group() -> None:
    """The node's settings, mirror.toml and the files beside it."""


@config_group.command("check")
@json_option
@click.pass_obj
def config_check(directory: Path, as_json: bool) -> None:
    """Check all settings as the daemon would, without touching anything: what is wrong ends with 3."""
    from mirror.server.settings import read_settings

    notes = list(read_settings(directory).notes)
    report(as_json, {"notes": notes}, *notes, "The settings are good.")


@cli.group()
def cert() -> None:
    """The node's certificate."""


@cert.command("show")
@json_option
@click.pass_obj
def cert_show(directory: Path, as_json: bool) -> None:
    """Show the certificate's fingerprint, which peers may pin, and whether it ends soon."""
    pin, note = own_fingerprint(directory), ending(directory)
    report(as_json, {"pin": f"pin:{pin}", "note": note}, f"pin:{pin}", *filter(None, [note]))


@cert.command("renew")
@json_option
@click.pass_obj
def cert_renew(directory: Path, as_json: bool) -> None:
    """Make a new key and certificate.  Peers that pin the old one need the new pin."""
    config = load_config(directory)
    pin = make_certificate(directory, config.node, [address.host for address in config.listen.addresses])
    report(
        as_json,
        {"pin": f"pin:{pin}"},
        f"The new certificate is pin:{pin}",
        "Peers that pin ours run 'ctdlmirror peer add' again with it; 'ctdlmirror reload' has the daemon show it.",
    )
