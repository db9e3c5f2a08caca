"""A node's directory and its configuration: mirror.toml, and secrets.toml beside it.

Each setting is declared once, in the struct of its section: its type, its default, what may stand there, what the
template says of it.  Reads, checks and changes these files; a wrong value is named with its file and key.  Knows no
sockets.
"""

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec

from mirror.addresses import DEFAULT_PORT as DEFAULT_PORT
from mirror.addresses import PLACES, ServerPlace, read_address, read_server_place
from mirror.addresses import Address as Address
from mirror.declared import BadSetting, Doc, comment, named, read_table, read_value, write_example, write_table
from mirror.model.errors import MirrorError
from mirror.owned import replace_owned

CONFIG_FILE = "mirror.toml"
SECRETS_FILE = "secrets.toml"
CERTIFICATE_FILE = "tls.crt"
PRIVATE_KEY_FILE = "tls.key"
ADMIN_SOCKET = "admin.socket"
MAX_SOCKET_PATH = 107
"""Bytes in the path of a socket, as Linux has it (unix(7))."""
PEER_SECRETS, PLACE_PASSWORDS, INVITATIONS = "peers", "places", "invitations"
"""The sections of secrets.toml."""
_SECRETS = {
    PEER_SECRETS: ("SECRET", "peer"),
    PLACE_PASSWORDS: ("PASSWORD", "attachment"),
    INVITATIONS: ("UNTIL", "peer"),
}
MIN_SECRET = 12
"""Characters in a secret at least."""

T = TypeVar("T", bound=msgspec.Struct)


class ConfigError(MirrorError):
    """A configuration or secrets file that cannot be used."""

    exit_code = 3


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
SecondsOrNever = Annotated[float, msgspec.Meta(ge=0, lt=1 << 53, description="a number of seconds, 0 for never")]
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
    max_sessions: Annotated[
        Count, Doc("Users' connections at a time, and seconds after which a silent one is closed.")
    ] = 1000
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


DIRECTIONS = ("from", "both")
Direction = Annotated[
    Literal["from", "both"],
    msgspec.Meta(
        description="'from' (the server's changes come here) or 'both' (messages from elsewhere go there, too)"
    ),
]
Patterns = Annotated[
    tuple[Annotated[str, msgspec.Meta(min_length=1)], ...],
    msgspec.Meta(min_length=1, description="a list of patterns of room names"),
]

Names = Annotated[
    tuple[Annotated[str, msgspec.Meta(min_length=1)], ...], msgspec.Meta(description="a list of patterns of names")
]


Expiry = Literal["follow", "keep"]
EXPIRIES: tuple[str, ...] = get_args(Expiry)
Sharing = Literal["own", "shared"]
SHARINGS: tuple[str, ...] = get_args(Sharing)


class Attachment(msgspec.Struct, frozen=True):
    """[[attach]]: a Citadel server that this node follows.  Its password, if any, is in secrets.toml."""

    name: Annotated[NodeName, Doc("what commands and the log call it", "alpha")]
    place: Annotated[
        ServerPlace,
        msgspec.Meta(description=PLACES),
        Doc("or citadel://ADMIN@HOST:PORT, which shows less", "citadel:///run/citadel"),
    ]
    direction: Annotated[Direction, Doc('"from": its changes come here; "both": messages go there, too', "from")] = (
        "from"
    )
    rooms: Annotated[Patterns, Doc("shell patterns of the rooms that are followed, case ignored", ["*"])] = ("*",)
    look_s: Annotated[Seconds, Doc("seconds between looks at what moved", 1.0)] = 1.0
    idle_look_s: Annotated[Seconds, Doc("the same, at rooms and users, while nobody is logged in there", 5.0)] = 5.0
    users_s: Annotated[Seconds, Doc("seconds between looks at accounts: passwords, flags", 10.0)] = 10.0
    sweep_s: Annotated[Seconds, Doc("seconds between looks at files and system messages", 60.0)] = 60.0
    export_s: Annotated[
        SecondsOrNever, Doc("seconds between exports, for answered marks; a 980 needs a restart after one", 0.0)
    ] = 0.0
    marks_s: Annotated[SecondsOrNever, Doc("seconds between looks at what people there have read; 0: never", 2.0)] = 2.0
    expiry: Annotated[Expiry, Doc('"follow" or "keep": what the server throws away by itself', "follow")] = "follow"
    service: Annotated[str, Doc("the administrator there as whom messages are written into it", "")] = ""
    settings: Annotated[Sharing, Doc('"own" or "shared": the site\'s settings, system messages go there', "own")] = (
        "own"
    )
    pair: Annotated[bool, Doc("what each server has, as its Lobby, is one with what is here", False)] = False
    pair_users: Annotated[Names, Doc("shell patterns of the users who are one with those of their names here", [])] = ()
    pair_rooms: Annotated[Names, Doc("the same of rooms", [])] = ()


SECTIONS = ("node", "listen", "store", "replication", "log")
"""The sections of the file, in its order; beside them it has the peers and the attachments."""


class Config(msgspec.Struct, frozen=True):
    """All settings of the node whose files are in ``directory``, checked."""

    directory: Path
    node: str
    listen: ListenSettings = ListenSettings()
    store: StoreSettings = StoreSettings()
    replication: ReplicationSettings = ReplicationSettings()
    log: LogSettings = LogSettings()
    peers: list[Peer] = []
    attachments: list[Attachment] = []

    @property
    def max_ahead_ms(self) -> int:
        """How far ahead of this machine's clock a stamp may be, in milliseconds."""
        return self.replication.max_clock_ahead_s * 1000

    def path(self, name: str) -> Path:
        """Return the path of one of the node's files."""
        return self.directory / name

    def peer(self, name: str) -> Peer | None:
        return next((peer for peer in self.peers if peer.name == name), None)

    def attachment(self, name: str) -> Attachment | None:
        return next((one for one in self.attachments if one.name == name), None)


def why_not_both(one: Attachment) -> str:
    """Return why a server cannot be written into as it is attached; nothing where it can, or is not to be."""
    if one.direction == "from":
        return "settings 'shared' needs direction 'both'" if one.settings == "shared" else ""
    if not one.service:
        return "direction 'both' needs service, the administrator there as whom messages are written"
    if isinstance(one.place.where, Address) or one.place.user:
        return "direction 'both' needs citadel:///DIRECTORY, the administrator's socket without a log-in"
    if one.expiry != "follow":
        return "direction 'both' needs expiry 'follow': what the server threw away would be written there again"
    return ""


# -- checking -----------------------------------------------------------------------------------------


def parse_address(text: str, where: str) -> Address:
    """Read ``host:port``, ``[v6]:port`` or ``host``.  Raises ConfigError naming ``where``."""
    try:
        return read_address(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def parse_server_place(text: str) -> ServerPlace:
    """Read what names a Citadel server and a door of it.  Raises ConfigError, which never shows a password."""
    try:
        return read_server_place(text)
    except ValueError as error:
        hint = ": use --password-file, $CITADEL_PASSWORD or the prompt" if "password" in str(error) else ""
        raise ConfigError(f"{error}{hint}") from None


def _made(kind: type, value: object) -> object:
    """Make an address or a place from its text; all other types are msgspec's own."""
    if kind is ServerPlace and isinstance(value, str):
        return read_server_place(value)
    if kind is Address and isinstance(value, str):
        return read_address(value)
    raise ValueError(f"{value!r} is no {kind.__name__}")


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


def authority_file(trust: str) -> Path | None:
    """Return the file of the authorities by which a certificate is proved, None where ``trust`` names none."""
    return Path(trust.removeprefix("ca:")) if trust.startswith("ca:") else None


# -- reading ------------------------------------------------------------------------------------------


def load_config(directory: Path) -> Config:
    """Read a node's configuration.  Raises ConfigError."""
    path = directory / CONFIG_FILE
    return _checked(directory, _read_toml(path, "run 'ctdlmirror init' first"), str(path))


def parse_config(directory: Path, text: bytes, where: str) -> Config:
    """Read the configuration of a node from a file's bytes; ``where`` names them in errors.  Raises ConfigError."""
    return _checked(directory, _parse_toml(text, where), where)


def _checked(directory: Path, document: dict[str, Any], where: str) -> Config:
    try:
        return _read_document(directory, document)
    except BadSetting as error:
        raise ConfigError(f"{where}: {error}") from None


def _read_document(directory: Path, document: dict[str, Any]) -> Config:
    if unknown := document.keys() - {*SECTIONS, "peer", "attach"}:
        known = f"{', '.join(sorted(SECTIONS))}, [[peer]] and [[attach]]"
        raise BadSetting(f"[{named(min(unknown))}] is no section; known are {known}")

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
        list(_read_attachments(document.get("attach", []))),
    )


def _read_peers(tables: object) -> Iterator[Peer]:
    for where, table in _tables(tables, "peer"):
        if table.get("address") == "":  # as good as left out
            del table["address"]
        yield read_table(table, Peer, where, _made)


def _read_attachments(tables: object) -> Iterator[Attachment]:
    places: set[ServerPlace] = set()
    for where, table in _tables(tables, "attach"):
        place = str(table.get("place", ""))
        if ":" in place.partition("://")[2].rpartition("@")[0]:  # is never shown
            raise BadSetting(f"{where} place has a password in it: it belongs into {SECRETS_FILE}, under [places]")
        one = read_table(table, Attachment, where, _made)
        if one.place in places:
            raise BadSetting(f"{where} {one.place} is attached already")
        if wrong := why_not_both(one):
            raise BadSetting(f"{where} {wrong}")
        places.add(one.place)
        yield one


def _tables(tables: object, section: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the tables of an array, each with what errors call it.  Raises BadSetting; also for two of one name."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        article, what = ("an", "attachment") if section == "attach" else ("a", "peer")
        raise BadSetting(f"{article} {what} is written [[{section}]], with two brackets")
    known: set[object] = set()
    for table in tables:
        name = table.get("name")
        where = f"[[{section}]] {named(name or '(without name)')}:"
        yield where, table
        if name in known:
            raise BadSetting(f"{where} there are two {'attachments' if section == 'attach' else 'peers'} of that name")
        known.add(name)


def template(config: Config) -> str:
    """Return mirror.toml with the settings of a new node, each under its comment."""
    lines = ["# Configuration of one mirror node.  'ctdlmirror daemon' reads it at start and at SIGHUP.", ""]
    for name in SECTIONS:
        section = NodeSettings(config.node) if name == "node" else getattr(config, name)
        lines += [*write_table(name, section), ""]
    lines += comment("One [[peer]] table per other node; 'ctdlmirror peer add' writes them.")
    lines += [*write_example("peer", Peer), ""]
    lines += comment("One [[attach]] table per Citadel server that is followed; 'ctdlmirror attach PLACE' writes them.")
    return "\n".join([*lines, *write_example("attach", Attachment), ""])


def _read_toml(path: Path, advice: str) -> dict[str, Any]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist: {advice}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    return _parse_toml(text, str(path))


def _parse_toml(text: bytes, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{where}: it is nested too deeply") from None


def check_private(path: Path) -> None:
    """Raise ConfigError when a file that holds secrets may be read by others."""
    if path.exists() and path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} holds secrets and may be read by others: run 'chmod 600 {path}'")


def load_secrets(directory: Path) -> dict[str, str]:
    """Return the secrets shared with peers, by peer name.  Raises ConfigError."""
    return _load_secrets(directory, PEER_SECRETS)


def load_passwords(directory: Path) -> dict[str, str]:
    """Return the passwords of those who log in at attached places, by attachment.  Raises ConfigError."""
    return _load_secrets(directory, PLACE_PASSWORDS)


def load_invitations(directory: Path) -> dict[str, int]:
    """Return until when (Unix seconds) the secrets of invited peers are good that have not joined yet.

    Raises ConfigError.
    """
    return {
        name: int(until) if until.isdecimal() else 0 for name, until in _load_secrets(directory, INVITATIONS).items()
    }


def _load_secrets(directory: Path, section: str) -> dict[str, str]:
    path = directory / SECRETS_FILE
    if not path.exists():
        return {}
    check_private(path)
    try:
        return msgspec.convert(_read_toml(path, "").get(section, {}), dict[str, str])
    except msgspec.ValidationError:
        value, owner = _SECRETS[section]
        raise ConfigError(f'{path}: [{section}] has one line NAME = "{value}" per {owner}') from None


def make_directory(directory: Path) -> None:
    """Make a node's directory, readable by its owner alone, unless it is there.  Raises ConfigError."""
    spare = MAX_SOCKET_PATH - len(bytes(directory.absolute() / ADMIN_SOCKET))
    if spare < 0:
        raise ConfigError(
            f"{directory} is {-spare} bytes too long for the admin socket in it; choose another with --dir"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"{directory} cannot be made: {error.strerror}; choose another with --dir") from None


def write_private(path: Path, text: str) -> None:
    """Replace a file of a node's directory that only its owner may read, in one step.  Raises ConfigError."""
    try:
        replace_owned(path, text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}; what was there is unchanged") from None


def save_secret(directory: Path, peer: str, secret: str | None) -> None:
    """Set, or with None remove, the secret shared with a peer."""
    _save_secret(directory, PEER_SECRETS, peer, secret)


def save_invitation(directory: Path, peer: str, secret: str, until: int) -> None:
    """Set a secret that is good until a moment (Unix seconds), unless the peer joins before."""
    _save_secret(directory, INVITATIONS, peer, str(until))  # first: whatever fails then, it is good for no longer
    save_secret(directory, peer, secret)


def drop_invitation(directory: Path, peer: str) -> None:
    """Have the secret of a peer be good for ever."""
    _save_secret(directory, INVITATIONS, peer, None)


def admit_peer(directory: Path, peer: Peer, secret: str | None) -> None:
    """Have a node be a peer with a secret, or with none yet.  Raises ConfigError.

    Whatever fails on the way, nobody gets in with more than was said: another secret of that name is forgotten first,
    and the table is there before the new one.
    """
    if load_secrets(directory).get(peer.name) != secret:
        save_secret(directory, peer.name, None)
    save_peer(directory, peer)
    save_secret(directory, peer.name, secret)


def orphans(config: Config, secrets: dict[str, str]) -> list[str]:
    """Return for whom there is a secret, but no table: they cannot log in."""
    return sorted(secrets.keys() - {peer.name for peer in config.peers})


def save_password(directory: Path, attachment: str, password: str | None) -> None:
    """Set, or with None remove, the password with which an attachment logs in."""
    _save_secret(directory, PLACE_PASSWORDS, attachment, password)


def _save_secret(directory: Path, section: str, name: str, secret: str | None) -> None:
    import tomlkit

    held = {one: _load_secrets(directory, one) for one in _SECRETS}
    if held[section].get(name) == secret:
        return
    if secret is None:
        held[section].pop(name, None)
    else:
        held[section][name] = secret
    document = tomlkit.document()
    document.add(tomlkit.comment('NAME = "SECRET": those shared with peers, and passwords at attached places.'))
    document.add(tomlkit.comment("For the owner's eyes only."))
    for one, secrets in held.items():
        if secrets or one == PEER_SECRETS:
            document.add(one, tomlkit.item(secrets))
    write_private(directory / SECRETS_FILE, tomlkit.dumps(document))


def save_peer(directory: Path, peer: Peer) -> None:
    """Add a peer to mirror.toml or change it there; comments stay.  Raises ConfigError."""
    values: dict[str, object] = {"name": peer.name}
    if peer.address is not None:
        values["address"] = str(peer.address)
    values["trust"] = peer.trust
    if peer.kind != MIRROR:
        values["kind"] = peer.kind
    _save_table(directory, "peer", {**values, "push": peer.push})


def remove_peer(directory: Path, name: str) -> bool:
    """Take a peer and its secret out; returns whether there was one."""

    def forget() -> None:
        save_secret(directory, name, None)
        drop_invitation(directory, name)

    return _remove_table(directory, "peer", name, forget)


def save_attachment(directory: Path, one: Attachment) -> None:
    """Add an attachment to mirror.toml or change it there; comments stay.  Raises ConfigError."""
    default = Attachment(one.name, one.place)
    given = {name: getattr(one, name) for name in one.__struct_fields__ if getattr(one, name) != getattr(default, name)}
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    _save_table(directory, "attach", {"name": one.name, "place": str(one.place), "direction": one.direction, **given})


def remove_attachment(directory: Path, name: str) -> bool:
    """Take an attachment and its password out; returns whether there was one."""
    return _remove_table(directory, "attach", name, lambda: save_password(directory, name, None))


def _save_table(directory: Path, section: str, values: dict[str, object]) -> None:
    """Put a table at the end of an array of mirror.toml, in place of the one of its name."""
    import tomlkit

    document = tomlkit.parse((directory / CONFIG_FILE).read_text("utf-8"))
    if section not in document:
        document.add(tomlkit.nl())  # so that it stands apart from the comments before it
    tables = document.setdefault(section, tomlkit.aot())
    _drop(tables, str(values["name"]))
    table = tomlkit.table()
    table.update(values)
    tables.append(table)
    write_private(directory / CONFIG_FILE, tomlkit.dumps(document))


def _remove_table(directory: Path, section: str, name: str, forget: Callable[[], None]) -> bool:
    import tomlkit

    document = tomlkit.parse((directory / CONFIG_FILE).read_text("utf-8"))
    found = _drop(document.get(section, []), name)
    if found:
        if not document[section]:
            del document[section]
        write_private(directory / CONFIG_FILE, tomlkit.dumps(document))
        forget()
    return found


def _drop(tables: Any, name: str) -> bool:
    places = [at for at, table in enumerate(tables) if table.get("name") == name]
    for at in reversed(places):
        del tables[at]
    return bool(places)
