"""What a command or an action of SYNC declares of itself: what runs it, what it takes, and who may use it.

Dispatch, HELP, SYNC's listings and the check of docs/protocol.md all read this one table.  Who forgets to declare who
may use a command has made one for the administrator alone.  Knows neither sessions nor what the commands do.
"""

import enum
from collections.abc import Callable, Mapping
from typing import NamedTuple

from mirror.model.kinds import names_one
from mirror.wire.arguments import Argument, shown


class Permission(enum.Enum):
    """Who may use a command, in words as the protocol's page has them."""

    ANYBODY = "anybody"
    LOGGED_OUT = "not logged in yet"
    """And on a line that nobody else can read: a secret is about to travel."""
    LOGGED_IN = "logged in"
    USER = "users"
    PEER_OR_ADMIN = "peers and administrators"
    """Mirror peers, administrators of the Citadel server, and the administrator of this machine."""
    ADMIN = "the administrator"
    """Who is on this machine and may open the admin socket."""


class Handler(NamedTuple):
    """One command or action.

    ``run`` is called with the session, for an action also with what is ``Asked`` about, and with one value for each
    of the ``arguments``.
    """

    run: Callable[..., None]
    help: str
    arguments: tuple[Argument, ...] = ()
    permission: Permission = Permission.ADMIN

    @property
    def parameters(self) -> str:
        """How its arguments are documented."""
        return shown(self.arguments)


class Asked(NamedTuple):
    """What a SYNC command is about: its type as it was given, and the test for collections of that type.

    ``view`` is that of a user's that the type names, within which the session's responder of that name answers.
    """

    type: str
    allows: Callable[[str], bool]
    view: str = ""

    @property
    def collection(self) -> str | None:
        """The one collection that the type names, whose part of the feed is found without reading all of it."""
        return self.type if names_one(self.type) else None


class Table(NamedTuple):
    """All that a session understands: commands by verb, SYNC's ``types`` with what they are, and its actions by name.

    ``others`` are types that hold no collections, and have actions of their own.
    """

    commands: Mapping[str, Handler]
    types: Mapping[str, str] = {}
    actions: Mapping[str, Handler] = {}
    others: Mapping[str, Mapping[str, Handler]] = {}

    def actions_of(self, type_: str) -> Mapping[str, Handler]:
        """Return the actions of one of SYNC's types."""
        return self.others.get(type_, self.actions)
