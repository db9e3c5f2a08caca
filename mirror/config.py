"""A node's directory and its configuration: mirror.toml, and secrets.toml beside it.

Each setting is declared once, in the struct of its section: its type, its default, what may stand there, what the
template says of it.  Reads, checks and changes these files; a wrong value is named with its file and key.  Knows no
sockets.
"""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec

from mirror.declared import BadSetting, Doc, comment, named, read_table, read_value, write_example, write_table
from mirror.model.errors import MirrorError

CONFIG_FILE = "mirror.toml"
SECRETS_FILE = "secrets.toml"
CERTIFICATE_FILE = "tls.crt"
PRIVATE_KEY_FILE = "tls.key"
ADMIN_SOCKET = "admin.socket"
STATE_FILE = "daemon.json"
DEFAULT_PORT = 2504
MIN_SECRET = 12
"""Characters in a secret at least."""
_LOOPBACK = ("127.", "::1", "localhost")

T = TypeVar("T", bound=msgspec.Struct)


class ConfigError(MirrorError):
    """A configuration or secrets file that cannot be used."""

    exit_code = 3


class Address:
    """Where to listen or dial: host and TCP port."""

    __slots__ = ("host", "port")

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and (self.host, self.port) == (other.host, other.port)

    def __hash__(self) -> int:
        return hash((self.host, self.port))

    def __repr__(self) -> str:
        return f"Address({self.host!r}, {self.port})"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def loopback(self) -> bool:
        return self.host.startswith(_LOOPBACK)


# -- what can be set ----------------------------------------------------------------------------------

NodeName = Annotated[
    str,
    msgspec.Meta(
        pattern=r"\A[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?\Z",
        description="a name of lower-case letters, digits, '.', '-' and '_', at most 63,",
    ),
]
Trust = Annotated[
    str,
    msgspec.Meta(
        pattern=r"(?s)\A(system|ca:.*|pin:[0-9a-f]{64})\Z",
        description="'system', 'ca:FILE' or 'pin:' and 64 hex digits",
    ),
]
Addresses = Annotated[list[Address], msgspec.Meta(description='a list of "host:port"')]
Count = Annotated[int, msgspec.Meta(gt=0, lt=1 << 53, description="a whole number greater than 0")]
Seconds = Annotated[float, msgspec.Meta(gt=0, lt=1 << 53, description="a number greater than 0")]
PeerKind = Literal["mirror", "share"]
MIRROR: PeerKind = "mirror"
SHARE: PeerKind = "share"
"""Kinds of peers: a complete duplicate, and one that single rooms are shared with."""
Push = Literal["auto", "yes", "no"]
PEER_KINDS: tuple[str, ...] = get_args(PeerKind)
PUSHES: tuple[str, ...] = get_args(Push)


class NodeSettings(msgspec.Struct, frozen=True):
    """[node]: who this node is."""

    name: Annotated[
        NodeName,
        Doc("The node's name in the network of mirrors: it marks what is written here and never changes."),
    ]


class ListenSettings(msgspec.Struct, frozen=True):
    """[listen]: who may come in, and how."""

    addresses: Annotated[
        Addresses,
        Doc('Addresses that peers and clients connect to, as "host:port"; port 0 lets the kernel choose.'),
    ] = []
    tls_addresses: Annotated[
        Addresses,
        Doc("The same where TLS begins at once, for clients that cannot send STLS (openssl s_client)."),
    ] = []
    plaintext: Annotated[
        bool,
        Doc("Log-ins are refused on connections without TLS, except from this machine.  true allows them."),
    ] = False
    max_sessions: Annotated[Count, Doc("Connections at a time, and seconds after which a silent one is closed.")] = 1000
    idle_timeout_s: Annotated[Count, Doc()] = 600


class StoreSettings(msgspec.Struct, frozen=True):
    """[store]: what keeps the node's records."""

    url: Annotated[str, Doc('Where the records are kept: "sqlite:" is a file in this directory.')] = "sqlite:"


class ReplicationSettings(msgspec.Struct, frozen=True):
    """[replication]: how links behave, and for how long deletions are remembered."""

    keepalive_s: Annotated[
        Count, Doc("Seconds between keepalives on a quiet link, and between full reconciliations with a peer.")
    ] = 30
    reconcile_s: Annotated[Count, Doc()] = 86_400
    retry_min_s: Annotated[
        Seconds, Doc("Seconds before a lost link is dialled again: doubled at each failure, with jitter.")
    ] = 1.0
    retry_max_s: Annotated[Seconds, Doc()] = 300.0
    max_clock_ahead_s: Annotated[Count, Doc("Stamps further ahead of this machine's clock than this are refused.")] = 60
    tombstone_days: Annotated[
        Count,
        Doc(
            "Days for which deletions are remembered.  A peer that was away for longer compares everything when it is "
            "back, and what was deleted meanwhile stays deleted.  The smallest value in the network counts for all."
        ),
    ] = 180
    conflict_days: Annotated[Count, Doc("Days for which conflicts are kept once they are resolved.")] = 90


class LogSettings(msgspec.Struct, frozen=True):
    """[log]: what the daemon tells."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Doc("debug, info, warning or error")] = "info"


class Peer(msgspec.Struct, frozen=True):
    """[[peer]]: another node.  Without an address it can only dial us."""

    name: Annotated[NodeName, Doc(example="beta")]
    address: Annotated[
        Address | None,
        msgspec.Meta(description='an address "host:port"'),
        Doc("leave it out for a peer that dials us", "beta.example.org:2504"),
    ] = None
    trust: Annotated[Trust, Doc('"system", "ca:/path/to/ca.pem", or the peer\'s fingerprint', "pin:...")] = "system"
    kind: Annotated[
        PeerKind, Doc('"mirror": a complete duplicate; "share": only rooms whose rules name it', "mirror")
    ] = "mirror"
    push: Annotated[Push, Doc('"auto": push if the peer cannot dial us; "yes"; "no"', "auto")] = "auto"


SECTIONS = ("node", "listen", "store", "replication", "log")
"""The sections of the file, in its order; beside them it has the peers."""


class Config(msgspec.Struct, frozen=True):
    """All settings of the node whose files are in ``directory``, checked."""

    directory: Path
    node: str
    listen: ListenSettings = ListenSettings()
    store: StoreSettings = StoreSettings()
    replication: ReplicationSettings = ReplicationSettings()
    log: LogSettings = LogSettings()
    peers: list[Peer] = []

    @property
    def max_ahead_ms(self) -> int:
        """How far ahead of this machine's clock a stamp may be, in milliseconds."""
        return self.replication.max_clock_ahead_s * 1000

    def path(self, name: str) -> Path:
        """Return the path of one of the node's files."""
        return self.directory / name

    def peer(self, name: str) -> Peer | None:
        return next((peer for peer in self.peers if peer.name == name), None)


# -- checking -----------------------------------------------------------------------------------------


def parse_address(text: str, where: str) -> Address:
    """Read ``host:port``, ``[v6]:port`` or ``host``.  Raises ConfigError naming ``where``."""
    try:
        return _address(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _address(text: str) -> Address:
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^:\[\]\s]+)(?::(\d{1,5}))?", text.strip())
    if match is None or int(match[2] or 0) > 65535:
        raise ValueError(f"{text!r} is no address (host:port)")
    return Address(match[1].strip("[]"), int(match[2]) if match[2] else DEFAULT_PORT)


def _made(kind: type, value: object) -> object:
    """Make an address from its text; all other types are msgspec's own."""
    if kind is not Address or not isinstance(value, str):
        raise ValueError(f"{value!r} is no {kind.__name__}")
    return _address(value)


def check_node_name(name: str) -> str:
    """Return a node name that can be one.  Raises ConfigError."""
    try:
        return str(read_value(name, NodeName, "", _made))
    except BadSetting:
        raise ConfigError(
            f"{name!r} is no node name: lower-case letters, digits, '.', '-' and '_', at most 63"
        ) from None


def check_trust(trust: str, where: str) -> None:
    """Raise ConfigError unless ``trust`` says how a certificate is proved."""
    try:
        read_value(trust, Trust, f"{where}: trust", _made)
    except BadSetting as error:
        raise ConfigError(str(error)) from None


# -- reading ------------------------------------------------------------------------------------------


def load_config(directory: Path) -> Config:
    """Read a node's configuration.  Raises ConfigError."""
    path = directory / CONFIG_FILE
    document = _read_toml(path, "run 'ctdlmirror init' first")
    try:
        return _read_document(directory, document)
    except BadSetting as error:
        raise ConfigError(f"{path}: {error}") from None


def _read_document(directory: Path, document: dict[str, Any]) -> Config:
    if unknown := document.keys() - {*SECTIONS, "peer"}:
        raise BadSetting(f"[{named(min(unknown))}] is no section; known are {', '.join(sorted(SECTIONS))} and [[peer]]")

    def section(name: str, kind: type[T]) -> T:
        return read_table(document.get(name, {}), kind, f"[{name}]", _made)

    return Config(
        directory,
        section("node", NodeSettings).name,
        section("listen", ListenSettings),
        section("store", StoreSettings),
        section("replication", ReplicationSettings),
        section("log", LogSettings),
        list(_read_peers(document.get("peer", []))),
    )


def _read_peers(tables: object) -> Iterator[Peer]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise BadSetting("a peer is written [[peer]], with two brackets")
    known: set[str] = set()
    for table in tables:
        where = f"[[peer]] {named(table.get('name') or '(without name)')}:"
        if table.get("address") == "":  # as good as left out
            del table["address"]
        peer = read_table(table, Peer, where, _made)
        if peer.name in known:
            raise BadSetting(f"{where} there are two peers of that name")
        known.add(peer.name)
        yield peer


def template(config: Config) -> str:
    """Return mirror.toml with the settings of a new node, each under its comment."""
    lines = ["# Configuration of one mirror node.  'ctdlmirror daemon' reads it at start and at SIGHUP.", ""]
    for name in SECTIONS:
        section = NodeSettings(config.node) if name == "node" else getattr(config, name)
        lines += [*write_table(name, section), ""]
    lines += comment("One [[peer]] table per other node; 'ctdlmirror peer add' writes them.")
    return "\n".join([*lines, *write_example("peer", Peer), ""])


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
    try:
        return msgspec.convert(_read_toml(path, "").get("peers", {}), dict[str, str])
    except msgspec.ValidationError:
        raise ConfigError(f'{path}: [peers] has one line NAME = "SECRET" per peer') from None


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
    import tomlkit

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
    import tomlkit

    document = tomlkit.parse((directory / CONFIG_FILE).read_text("utf-8"))
    tables = document.setdefault("peer", tomlkit.aot())
    _drop_peer(tables, peer.name)
    table = tomlkit.table()
    table["name"] = peer.name
    if peer.address is not None:
        table["address"] = str(peer.address)
    table["trust"] = peer.trust
    if peer.kind != MIRROR:
        table["kind"] = peer.kind
    table["push"] = peer.push
    tables.append(table)
    write_private(directory / CONFIG_FILE, tomlkit.dumps(document))


def remove_peer(directory: Path, name: str) -> bool:
    """Take a peer and its secret out; returns whether there was one."""
    import tomlkit

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
