"""SYNC type|action|arguments: which collections a type means, and finding the action in the table.

A type is ``all``, a kind of collection, one collection, or a user's view: ``mailboxes``, ``calendars``, ...
"""

from collections.abc import Callable

from mirror.model.errors import BadRecord
from mirror.model.kinds import KINDS, check_collection, parse_collection
from mirror.server.session import Session
from mirror.server.table import Asked, Permission
from mirror.service.views import VIEWS
from mirror.wire.arguments import one_of, parse_arguments
from mirror.wire.codec import ENCODINGS
from mirror.wire.errors import Refused
from mirror.wire.lines import Code

SHARES, ATTACHMENTS = "shares", "attachments"
"""Types that hold no collections."""
TYPES = {
    "all": "everything",
    SHARES: "the rooms shared with the peer that asks",
    ATTACHMENTS: "the Citadel servers that this node follows (administrators)",
    **{kind.name: kind.holds for kind in KINDS.values()},
    **{name: view.holds for name, view in VIEWS.items()},
}
_ENCODING = (one_of("encoding", ENCODINGS),)


def run_sync(session: Session, words: list[str]) -> None:
    """SYNC: list the types, list a type's actions, or run one; ``encoding|NAME`` chooses how records are written."""
    type_ = words[0]
    if not type_:
        session.send_listing("Types:", [f"{name}|{text}" for name, text in session.table.types.items()])
    elif type_.lower() == "encoding" and len(words) == 2:
        (session.encoding,) = parse_arguments("SYNC encoding|", _ENCODING, words[1:])
        session.reply(Code.OK, session.encoding)
    else:
        session.require(Permission.LOGGED_IN)
        _run_action(session, type_, words[1:])


def _run_action(session: Session, type_: str, words: list[str]) -> None:
    actions = session.table.actions_of(type_)
    asked = _asked(session, type_)
    if not words or not words[0]:
        lines = [f"{name}|{handler.parameters}|{handler.help}" for name, handler in actions.items()]
        session.send_listing(f"Actions on {type_}:", lines)
        return
    name = words[0].lower()
    handler = actions.get(name)
    if handler is None:
        raise Refused(Code.ILLEGAL, f"no action {words[0][:20]!r}; SYNC {type_} lists them")
    session.call(f"{name}|", handler, words[1:], asked)


def _asked(session: Session, type_: str) -> Asked:
    """Return what a type means.  Raises Refused where it names nothing, or a view and no user is logged in."""
    if type_ not in VIEWS:
        return Asked(type_, _selector(session, type_))
    if not session.require_party().is_user:
        raise Refused(Code.USER_REQUIRED, f"{type_} are a user's: log in with USER and PASS")
    return Asked(type_, lambda _collection: True, type_)


def _selector(session: Session, type_: str) -> Callable[[str], bool]:
    if type_ == "all":
        return lambda _collection: True
    if type_ in session.table.others:
        return lambda _collection: False
    if type_ in KINDS:
        return lambda collection: parse_collection(collection).kind == type_
    try:
        check_collection(type_)
    except BadRecord as error:
        raise Refused(Code.ILLEGAL, f"{error}; SYNC lists the types") from None
    return lambda collection: collection == type_
