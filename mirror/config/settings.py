"""What can be set of a node: each setting is declared once, in the struct of its section.

That is its type, its default, what may stand there and what the template says of it.  Knows no file.
"""

from pathlib import Path
from typing import Annotated, Literal, get_args

import msgspec

from mirror.addresses import PLACES, Address, ServerPlace
from mirror.declared import Doc

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
