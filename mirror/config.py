"""A node's directory and its configuration: mirror.toml, and secrets.toml beside it.

Reads, checks and changes these files; a wrong value is named with its file and key.  Knows no sockets.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import tomlkit

from mirror.model.errors import MirrorError

CONFIG_FILE = "mirror.toml"
SECRETS_FILE = "secrets.toml"
CERTIFICATE_FILE = "tls.crt"
PRIVATE_KEY_FILE = "tls.key"
ADMIN_SOCKET = "admin.socket"
STATE_FILE = "daemon.json"
DEFAULT_PORT = 2504
_NODE_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
_LOOPBACK = ("127.", "::1", "localhost")


class ConfigError(MirrorError):
    """A configuration or secrets file that cannot be used."""

    exit_code = 3


class Address(msgspec.Struct, frozen=True):
    """Where to listen or dial: host and TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        return self.host.startswith(_LOOPBACK)


class Peer(msgspec.Struct):
    """Another node.  Without an address it can only dial us."""

    name: str
    address: Address | None = None
    trust: str = "system"
    """``system``, ``ca:FILE`` or ``pin:SHA-256``: what proves the peer's certificate."""
    kind: str = "mirror"
    """``mirror``: a complete duplicate; ``share``: only the rooms whose rules name it."""
    push: str = "auto"
    """``auto``: push when the peer cannot dial us; ``yes``; ``no``."""


class Config(msgspec.Struct):
    """All settings of a node, checked."""

    directory: Path
    node: str
    listen: list[Address] = []
    listen_tls: list[Address] = []
    """Where TLS begins at once instead of by STLS."""
    plaintext: bool = False
    """Whether peers and users may log in without TLS from other machines."""
    max_clock_ahead_s: int = 60
    tombstone_days: int = 180
    """Days for which deletions are remembered, so that a peer which was away learns of them."""
    max_sessions: int = 1000
    idle_timeout_s: int = 600
    keepalive_s: int = 30
    reconcile_s: int = 86_400
    retry_min_s: float = 1.0
    retry_max_s: float = 300.0
    log_level: str = "info"
    peers: list[Peer] = []

    def path(self, name: str) -> Path:
        """Return the path of one of the node's files."""
        return self.directory / name

    def peer(self, name: str) -> Peer | None:
        return next((peer for peer in self.peers if peer.name == name), None)


TEMPLATE = """\
# Configuration of one mirror node.  'ctdlmirror daemon' reads it at start and at SIGHUP.

[node]
# The node's name in the network of mirrors: it marks what is written here and never changes.
name = "{node}"

[listen]
# Addresses that peers and clients connect to, as "host:port"; port 0 lets the kernel choose.
addresses = ["{listen}"]
# The same where TLS begins at once, for clients that cannot send STLS (openssl s_client).
tls_addresses = []
# Log-ins are refused on connections without TLS, except from this machine.  true allows them.
plaintext = false
# Connections at a time, and seconds after which a silent one is closed.
max_sessions = 1000
idle_timeout_s = 600

[replication]
# Seconds between keepalives on a quiet link, and between full reconciliations with a peer.
keepalive_s = 30
reconcile_s = 86400
# Seconds before a lost link is dialled again: doubled at each failure, with jitter.
retry_min_s = 1.0
retry_max_s = 300.0
# Stamps further ahead of this machine's clock than this are refused.
max_clock_ahead_s = 60
# Days for which deletions are remembered.  A peer that was away for longer compares everything when it is back, and
# what was deleted meanwhile stays deleted.  The smallest value in the network counts for all.
tombstone_days = 180

[log]
# debug, info, warning or error
level = "info"

# One [[peer]] table per other node; 'ctdlmirror peer add' writes them.
# [[peer]]
# name = "beta"
# address = "beta.example.org:2504"   # leave it out for a peer that dials us
# trust = "pin:..."                   # "system", "ca:/path/to/ca.pem", or the peer's fingerprint
# kind = "mirror"                     # "mirror": a complete duplicate; "share": only rooms whose rules name it
# push = "auto"                       # "auto": push if the peer cannot dial us; "yes"; "no"
"""


def parse_address(text: str, where: str) -> Address:
    """Read ``host:port``, ``[v6]:port`` or ``host``.  Raises ConfigError naming ``where``."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]\s]+)(?::(\d{1,5}))?", text.strip())
    if match is None or int(match[2] or 0) > 65535:
        raise ConfigError(f"{where}: {text!r} is no address (host:port)")
    return Address(match[1].strip("[]"), int(match[2]) if match[2] else DEFAULT_PORT)


def check_node_name(name: str) -> str:
    """Return a node name that can be one.  Raises ConfigError."""
    if not _NODE_NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no node name: lower-case letters, digits, '.', '-' and '_', at most 63")
    return name


def load_config(directory: Path) -> Config:
    """Read a node's configuration.  Raises ConfigError."""
    path = directory / CONFIG_FILE
    document = _read_toml(path, "run 'ctdlmirror init' first")

    def take(section: str, key: str, default: Any, kind: Any) -> Any:
        table = document.get(section, {})
        value = table.get(key, default) if isinstance(table, dict) else default
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ConfigError(f"{path}: [{section}] {key} = {value!r}: a value of type {kind.__name__} was expected")
        if kind in (int, float) and value <= 0:
            raise ConfigError(f"{path}: [{section}] {key} = {value!r}: a number greater than 0 was expected")
        return value

    config = Config(directory, check_node_name(take("node", "name", "", str)))
    config.listen = [
        parse_address(str(text), f"{path}: [listen] addresses") for text in take("listen", "addresses", [], list)
    ]
    config.listen_tls = [
        parse_address(str(text), f"{path}: [listen] tls_addresses")
        for text in take("listen", "tls_addresses", [], list)
    ]
    config.plaintext = take("listen", "plaintext", False, bool)
    for section, key, kind in (
        ("listen", "max_sessions", int),
        ("listen", "idle_timeout_s", int),
        ("replication", "keepalive_s", int),
        ("replication", "reconcile_s", int),
        ("replication", "retry_min_s", float),
        ("replication", "retry_max_s", float),
        ("replication", "max_clock_ahead_s", int),
        ("replication", "tombstone_days", int),
    ):
        setattr(config, key, take(section, key, getattr(config, key), kind))
    config.log_level = take("log", "level", "info", str)
    if config.log_level not in ("debug", "info", "warning", "error"):
        raise ConfigError(f"{path}: [log] level = {config.log_level!r}: debug, info, warning or error was expected")
    config.peers = _load_peers(document.get("peer", []), path)
    _refuse_unknown(document, path)
    return config


_KNOWN = {
    "node": {"name"},
    "listen": {"addresses", "tls_addresses", "plaintext", "max_sessions", "idle_timeout_s"},
    "replication": {"keepalive_s", "reconcile_s", "retry_min_s", "retry_max_s", "max_clock_ahead_s", "tombstone_days"},
    "log": {"level"},
}
_PEER_KEYS = {"name", "address", "trust", "kind", "push"}
MIN_SECRET = 12
"""Characters in a secret at least."""
PEER_KINDS = ("mirror", "share")


def _refuse_unknown(document: dict[str, Any], path: Path) -> None:
    for section, table in document.items():
        if section == "peer":
            continue
        if section not in _KNOWN or not isinstance(table, dict):
            raise ConfigError(f"{path}: [{section}] is no section; known are {', '.join(sorted(_KNOWN))} and [[peer]]")
        if unknown := set(table) - _KNOWN[section]:
            raise ConfigError(
                f"{path}: [{section}] {min(unknown)} is no setting; known are {', '.join(sorted(_KNOWN[section]))}"
            )


def _load_peers(tables: Any, path: Path) -> list[Peer]:
    if not isinstance(tables, list):
        raise ConfigError(f"{path}: a peer is written [[peer]], with two brackets")
    peers: list[Peer] = []
    for table in tables:
        name = str(table.get("name", ""))
        where = f"{path}: [[peer]] {name or '(without name)'}"
        try:
            check_node_name(name)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
        if unknown := set(table) - _PEER_KEYS:
            raise ConfigError(f"{where}: {min(unknown)} is no setting; known are {', '.join(sorted(_PEER_KEYS))}")
        if any(peer.name == name for peer in peers):
            raise ConfigError(f"{where}: there are two peers of that name")
        address = parse_address(str(table["address"]), where) if table.get("address") else None
        peer = Peer(
            name,
            address,
            str(table.get("trust", "system")),
            str(table.get("kind", "mirror")),
            str(table.get("push", "auto")),
        )
        check_trust(peer.trust, where)
        if peer.kind not in PEER_KINDS:
            raise ConfigError(f"{where}: kind = {peer.kind!r}: mirror or share was expected")
        if peer.push not in ("auto", "yes", "no"):
            raise ConfigError(f"{where}: push = {peer.push!r}: auto, yes or no was expected")
        peers.append(peer)
    return peers


def check_trust(trust: str, where: str) -> None:
    """Raise ConfigError unless ``trust`` says how a certificate is proved."""
    if trust == "system" or trust.startswith("ca:") or re.fullmatch(r"pin:[0-9a-f]{64}", trust):
        return
    raise ConfigError(f"{where}: trust = {trust!r}: 'system', 'ca:FILE' or 'pin:' and 64 hex digits was expected")


def _read_toml(path: Path, advice: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist: {advice}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{path}: it is nested too deeply") from None


def check_private(path: Path) -> None:
    """Raise ConfigError when a file that holds secrets may be read by others."""
    if path.exists() and path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} holds secrets and may be read by others: run 'chmod 600 {path}'")


def load_secrets(directory: Path) -> dict[str, str]:
    """Return the secrets shared with peers, by peer name.  Raises ConfigError."""
    path = directory / SECRETS_FILE
    if not path.exists():
        return {}
    check_private(path)
    peers = _read_toml(path, "").get("peers", {})
    if not isinstance(peers, dict) or not all(isinstance(value, str) for value in peers.values()):
        raise ConfigError(f'{path}: [peers] has one line NAME = "SECRET" per peer')
    return peers


def write_private(path: Path, text: str) -> None:
    """Replace a file that only its owner may read, in one step."""
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def save_secret(directory: Path, peer: str, secret: str | None) -> None:
    """Set, or with None remove, the secret shared with a peer."""
    secrets = load_secrets(directory)
    if secret is None:
        secrets.pop(peer, None)
    else:
        secrets[peer] = secret
    document = tomlkit.document()
    document.add(tomlkit.comment('Secrets shared with peers: NAME = "SECRET".  For the owner\'s eyes only.'))
    document.add("peers", tomlkit.item(secrets))
    write_private(directory / SECRETS_FILE, tomlkit.dumps(document))


def save_peer(directory: Path, peer: Peer) -> None:
    """Add a peer to mirror.toml or change it there; comments stay.  Raises ConfigError."""
    document = tomlkit.parse((directory / CONFIG_FILE).read_text("utf-8"))
    tables = document.setdefault("peer", tomlkit.aot())
    _drop_peer(tables, peer.name)
    table = tomlkit.table()
    table["name"] = peer.name
    if peer.address is not None:
        table["address"] = str(peer.address)
    table["trust"] = peer.trust
    if peer.kind != "mirror":
        table["kind"] = peer.kind
    table["push"] = peer.push
    tables.append(table)
    write_private(directory / CONFIG_FILE, tomlkit.dumps(document))


def remove_peer(directory: Path, name: str) -> bool:
    """Take a peer and its secret out; returns whether there was one."""
    document = tomlkit.parse((directory / CONFIG_FILE).read_text("utf-8"))
    found = _drop_peer(document.get("peer", []), name)
    if found:
        if not document["peer"]:
            del document["peer"]
        write_private(directory / CONFIG_FILE, tomlkit.dumps(document))
        save_secret(directory, name, None)
    return found


def _drop_peer(tables: Any, name: str) -> bool:
    places = [at for at, table in enumerate(tables) if table.get("name") == name]
    for at in reversed(places):
        del tables[at]
    return bool(places)
