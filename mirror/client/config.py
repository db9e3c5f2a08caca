"""A person's client.toml: the node and account, and the pairs of folders and rooms.

By XDG's places: the file under ``$XDG_CONFIG_HOME``, what is remembered of the pairs under ``$XDG_STATE_HOME``.  Each
setting is declared once.  Knows neither folders nor the wire.
"""

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from mirror.addresses import DEFAULT_PORT, Address, read_address
from mirror.declared import BadSetting, Doc, comment, read_table, write_table
from mirror.formats import room_views as views
from mirror.model.errors import MirrorError

PROGRAM = "citadel-mirror"
CONFIG_FILE = "client.toml"
VIEWS = {
    "mail": (views.VIEW_MAILBOX, views.VIEW_DRAFTS),
    "board": (views.VIEW_BOARD, views.VIEW_BLOG),
    "contacts": (views.VIEW_CONTACTS,),
    "calendar": (views.VIEW_CALENDAR, views.VIEW_CALENDAR_BRIEF),
    "tasks": (views.VIEW_TASKS,),
    "notes": (views.VIEW_NOTES,),
    "journal": (views.VIEW_JOURNAL,),
}
"""What rooms are for, and the views that say so."""
View = Literal["mail", "board", "contacts", "calendar", "tasks", "notes", "journal"]
Kind = Literal["vdir", "maildir"]
VDIR: Kind = "vdir"
MAILDIR: Kind = "maildir"
Direction = Literal["both", "pull", "push"]
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class BadConfig(MirrorError):
    """A configuration that cannot be used, or none where one is needed."""

    exit_code = 3


Trust = Annotated[
    str,
    msgspec.Meta(
        pattern=r"(?s)\A(system|plain|ca:.*|pin:[0-9a-f]{64})\Z",
        description="'system', 'ca:FILE', 'pin:' and 64 hex digits, or 'plain'",
    ),
]


class ServerSettings(msgspec.Struct, frozen=True):
    """[server]: the node, and the account there."""

    address: Annotated[str, Doc('The node, as "host" or "host:port".')]
    user: Annotated[str, Doc("Your name there.")]
    trust: Annotated[
        Trust,
        Doc(
            "How its certificate is proved: by this machine's authorities ('system'), by one in a file ('ca:FILE'), or "
            "by its fingerprint ('pin:...').  'plain' is without TLS, and good on the node's own machine alone."
        ),
    ] = "system"
    password_command: Annotated[
        list[str],
        Doc(
            "Where your password comes from.  Of these three the first that is set: the first line that a command "
            "prints, the desktop's keyring (secret-tool, under this service), a file that only you may read (0600)."
        ),
    ] = []
    password_keyring: Annotated[str, Doc()] = ""
    password_file: Annotated[str, Doc()] = ""


class PairSettings(msgspec.Struct, frozen=True):
    """[pair.NAME]: one directory, and the rooms that are its folders."""

    path: Annotated[str, Doc("The directory.  A folder is made in it for each room.")]
    views: Annotated[
        list[View],
        Doc("Which rooms: what they are for (mail, board, contacts, calendar, tasks, notes, journal)..."),
    ]
    rooms: Annotated[
        list[str],
        Doc(
            "... and their names as patterns: * is anything, % anything but /, and ! before one leaves out; the last "
            "that fits counts.  Without any pattern all of them."
        ),
    ] = []
    kind: Annotated[
        Kind,
        Doc(
            "What the directory is: a 'vdir' has a directory for each room and in it a file for each entry or card "
            "(khal, khard, todoman, vdirsyncer); a 'maildir' has your inbox at its top, and a folder for each other "
            "room (mutt, notmuch, Dovecot)."
        ),
    ] = "vdir"
    direction: Annotated[
        Direction,
        Doc("'both', 'pull' (what changes here is not sent) or 'push' (what changes there is not taken)."),
    ] = "both"
    max_size: Annotated[
        int,
        msgspec.Meta(ge=0),
        Doc("Of a maildir: bytes of a message beyond which it is not written on the other side; 0 for any."),
    ] = 0
    max_age: Annotated[
        int,
        msgspec.Meta(ge=0),
        Doc("Of a maildir: days after which a message that is on one side alone stays there alone; 0 for any."),
    ] = 0

    def wants(self, name: str, view: int) -> bool:
        """Tell whether a room of that name and view is one of this pair's."""
        if not any(view in VIEWS[word] for word in self.views):
            return False
        wanted = False
        for pattern in self.rooms or ["*"]:
            if matches(pattern.removeprefix("!"), name):
                wanted = not pattern.startswith("!")
        return wanted

    @property
    def root(self) -> Path:
        """The directory."""
        return Path(self.path).expanduser()


class ClientConfig(msgspec.Struct, frozen=True):
    """All of client.toml, and where it stands."""

    path: Path
    server: ServerSettings
    pairs: dict[str, PairSettings]

    @property
    def address(self) -> Address:
        return read_address(self.server.address, DEFAULT_PORT)

    @property
    def account(self) -> str:
        """The account, in one text."""
        return f"{self.server.user}@{self.address}"

    def state_path(self, pair: str) -> Path:
        """Return where it is remembered what both sides of a pair agreed on."""
        return _xdg("XDG_STATE_HOME", "~/.local/state") / PROGRAM / f"{pair}.db"


def matches(pattern: str, name: str) -> bool:
    """Tell whether a name fits a pattern: ``*`` is anything, ``%`` anything but ``/``; case does not count."""
    text = re.escape(pattern).replace(r"\*", ".*").replace("%", "[^/]*")
    return re.fullmatch(text, name, re.DOTALL | re.IGNORECASE) is not None


def default_path() -> Path:
    """Return where client.toml stands unless told otherwise."""
    return _xdg("XDG_CONFIG_HOME", "~/.config") / PROGRAM / CONFIG_FILE


def data_home() -> Path:
    """Return where a person's programs keep their data."""
    return _xdg("XDG_DATA_HOME", "~/.local/share")


def _xdg(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or default).expanduser()


def load(path: Path) -> ClientConfig:
    """Read a client.toml.  Raises BadConfig."""
    try:
        with path.open("rb") as file:
            told = tomllib.load(file)
    except FileNotFoundError:
        raise BadConfig(f"{path} is not there: 'ctdlmirror client init' writes it") from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadConfig(f"{path} cannot be read: {error}") from None
    try:
        return _read(path, told)
    except BadSetting as error:
        raise BadConfig(f"{path}: {error}") from None


def _read(path: Path, told: dict[str, object]) -> ClientConfig:
    if unknown := told.keys() - {"server", "pair"}:
        raise BadSetting(f"[{min(unknown)}] is no section; known are [server] and [pair.NAME]")
    server = read_table(told.get("server", {}), ServerSettings, "[server]", _no_hook)
    try:
        read_address(server.address)
    except ValueError as error:
        raise BadSetting(f"[server] address: {error}") from None
    pairs = told.get("pair", {})
    if not isinstance(pairs, dict) or not pairs:
        raise BadSetting("there is no section [pair.NAME]")
    for name in pairs:
        if not _NAME.fullmatch(name):
            raise BadSetting(f"[pair.{name}]: a name is of small letters, digits, '-' and '_'")
    read = {name: read_table(table, PairSettings, f"[pair.{name}]", _no_hook) for name, table in pairs.items()}
    _check_apart(read)
    return ClientConfig(path, server, read)


def _check_apart(pairs: dict[str, PairSettings]) -> None:
    roots = {name: pair.root.absolute() for name, pair in pairs.items()}
    for name, root in roots.items():
        for other, its in roots.items():
            if name != other and (root == its or its in root.parents):
                raise BadSetting(f"[pair.{name}] path = {str(root)!r} is in that of [pair.{other}]")


def _no_hook(kind: type, value: object) -> object:
    raise ValueError(f"{value!r} is no {kind}")


def written(server: ServerSettings, pairs: dict[str, PairSettings]) -> str:
    """Return a client.toml with its comments."""
    return "\n".join(_lines(server, pairs)) + "\n"


def _lines(server: ServerSettings, pairs: dict[str, PairSettings]) -> Iterator[str]:
    yield from comment("Written by 'ctdlmirror client init'; see docs/clients.md.")
    yield ""
    yield from write_table("server", server)
    for name, pair in pairs.items():
        yield ""
        yield from write_table(f"pair.{name}", pair)
