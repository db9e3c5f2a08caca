"""Finding a user or room by name: one look on the node instead of reading all of them over the wire."""

from mirror.server.session import Session
from mirror.server.table import Asked
from mirror.service.directory import Found
from mirror.service.rights import UserScope
from mirror.store.base import Reader
from mirror.wire.answers import format_place
from mirror.wire.errors import Refused
from mirror.wire.lines import Code

KINDS_FOUND = ("rooms", "users")
"""Types of which something is found by name."""


def find(session: Session, asked: Asked, name: str) -> None:
    """find: the key and shown name of the room or user of a name or key; users find the rooms that they may enter."""
    if asked.type not in KINDS_FOUND:
        raise Refused(Code.ILLEGAL, f"find is for the types {' and '.join(KINDS_FOUND)}")
    party = session.require_party()
    scope = session.responder().scope
    if isinstance(scope, UserScope) and not scope.aide:
        found, similar = _within(scope, asked.type, name), list[str]()
    elif party.administers:
        found, similar = session.node.store.read(lambda reader: _look_up(session, reader, asked.type, name))
    else:
        raise Refused(Code.ACCESS, "finding is for users and administrators")
    if found is None:
        hint = f"; did you mean {', '.join(map(repr, similar))}?" if similar else ""
        raise Refused(Code.NOT_FOUND, f"there is no {asked.type[:-1]} {name!r}{hint}")
    session.reply(Code.OK, format_place(found.key, found.name))


def _look_up(session: Session, reader: Reader, kind: str, name: str) -> tuple[Found | None, list[str]]:
    directory = session.node.directory
    found = directory.look_up(reader, kind, name)
    return found, [] if found is not None else directory.similar(reader, kind, name)


def _within(scope: UserScope, kind: str, name: str) -> Found | None:
    """Return the room of that name or key that a user may enter."""
    if kind != "rooms":
        raise Refused(Code.ACCESS, "users are found by administrators")
    key = name if name in scope.rooms else scope.find(name)
    return Found(key, scope.name_of(key)) if key is not None else None
