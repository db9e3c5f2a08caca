"""SYNC's questions: what is here, and what of it has changed.  The engine's responder answers them."""

import logging
from collections.abc import Iterable, Iterator
from typing import Any

from mirror.model.digest import Digest
from mirror.server.rooms import RoomNews
from mirror.server.session import Session
from mirror.server.table import Asked
from mirror.service.rights import UserScope
from mirror.sync.remote import Denied
from mirror.sync.responder import Responder
from mirror.wire.answers import DigestLine, format_bulk, format_digest_line, format_heard, format_state
from mirror.wire.batch import Batch
from mirror.wire.bulk import format_answers, format_page, format_part, in_collection, named_collection
from mirror.wire.codec import ContentRequest, Cursor, Range, read_typed, typed_batch
from mirror.wire.errors import ProtocolError, Refused
from mirror.wire.lines import Code
from mirror.wire.values import Page, State

log = logging.getLogger("mirror.session")

MAX_ITEMS = 65_536
"""Keys, ranges or contents in one request at most."""
MAX_NEWEST = 1000
"""Records that ``newest`` shows at most."""
FEW = 20
"""Records that ``newest`` shows to who does not say how many."""
BEGINNING = Cursor("", 0)
"""Where a feed begins, in any life of a store."""


# -- state --------------------------------------------------------------------------------------------


def tell_state(session: Session, asked: Asked, count: int | None, total: int | None) -> None:
    """info: the state, and each collection's digest unless the asker holds just that many records of that sum."""
    known = Digest(count, 0, total) if count is not None and total is not None else None
    allows = None if asked.type == "all" or asked.view else asked.allows
    _tell_state(session, session.responder(asked.view).info(known, allows), asked.view)


def _tell_state(session: Session, state: State, view: str = "") -> None:
    if state.collections is None:
        session.reply(Code.OK, format_state(state))
        return
    scope = session.answering(view).scope
    if isinstance(scope, UserScope):
        asker = session.require_party().label, view
        session.send_formatted(format_state(state), session.node.lines.of(asker, scope, state.collections))
    else:
        lines = [format_digest_line(DigestLine(name, digest, "")) for name, digest in state.collections.items()]
        session.send_listing(format_state(state), lines)


def tell_sizes(session: Session, asked: Asked) -> None:
    """sizes: how much is alive of each collection that the asker sees as a whole."""
    responder = session.responder(asked.view)
    names = [name for name in responder.info(None, asked.allows).collections or {} if responder.scope.whole(name)]
    session.send_listing("sizes follow", [line for name in names for line in _size_of(responder, name)])


def _size_of(responder: Responder, collection: str) -> list[str]:
    try:
        return [format_bulk(collection, responder.bulk(collection))]
    except Denied:  # it was closed meanwhile
        return []


def tell_heard(session: Session, _asked: Asked) -> None:
    """heard: what this node has heard of all others."""
    session.send_listing(*format_heard(session.responder().heard()))


def pin(session: Session, _asked: Asked) -> None:
    """pin: have everything read from the present state from now on, and tell it."""
    session.pin()
    log.info("%s takes a copy of what is here now", session.require_party().label)
    _tell_state(session, session.responder().info())


def unpin(session: Session, _asked: Asked) -> None:
    """unpin: read the living state again."""
    session.unpin()
    session.reply(Code.OK, "unpinned")


# -- records ------------------------------------------------------------------------------------------


def _send_pages(session: Session, pages: Iterable[Page]) -> None:
    session.send_batches("records follow", (format_page(page, session.encoding) for page in pages))


def send_since(session: Session, asked: Asked, cursor: Cursor, token: int | None) -> None:
    """since: what changed after a cursor; with the token of a list of rooms also what changed of that."""
    news = RoomNews(session, asked, token) if token is not None else None
    pages = session.responder(asked.view).since(cursor, asked.allows, asked.collection)
    session.send_batches("records follow", _with_news(pages, news, session.encoding))


def _with_news(pages: Iterable[Page], news: RoomNews | None, encoding: str) -> Iterator[Batch]:
    for page in pages:
        if news is not None:
            yield from news.batches()
        yield format_page(page, encoding)


def send_all(session: Session, asked: Asked) -> None:
    """getall: every record, collection by collection."""
    responder = session.responder(asked.view)
    names = responder.info(None, asked.allows).collections or {}
    _send_pages(session, (page for name in names for page in _scan(responder, name)))


def _scan(responder: Responder, collection: str) -> Iterator[Page]:
    """Yield a collection that was open a moment ago; what was closed meanwhile is not here any more."""
    try:
        yield from responder.scan(collection)
    except Denied:
        return


def send_some(session: Session, asked: Asked, key: str | None) -> None:
    """get: the record of that key, or those of the keys that are sent now; of a view from wherever in it they are."""
    responder = session.responder(asked.view)
    if key is not None:
        _send_pages(session, responder.get_anywhere(key) if asked.view else responder.get(asked.type, [key]))
        return
    wanted = _receive_by_collection(session, asked, "keys", str)
    _send_pages(session, (page for collection, keys in wanted for page in responder.get(collection, keys)))


def send_newest(session: Session, asked: Asked, limit: int) -> None:
    """newest: the last records of a collection that are alive, oldest first; of a view the last messages in it."""
    responder = session.responder(asked.view)
    _send_pages(session, responder.newest_of_all(limit) if asked.view else responder.newest(asked.type, limit))


def receive(session: Session, kind: str, item: Any) -> list[Any]:
    """Have values sent, and return them.  Raises ProtocolError."""
    return [one for _, items in _receive_batches(session, kind, item) for one in items]


def _receive_by_collection(session: Session, asked: Asked, kind: str, item: Any) -> list[tuple[str, list[Any]]]:
    """Return what is sent, with the collection that it is about: that of the type, of a view what each batch names."""
    batches = _receive_batches(session, kind, item)
    if not asked.view:
        return [(asked.type, [one for _, items in batches for one in items])]
    for name, _ in batches:
        if not name:
            raise Refused(Code.ILLEGAL, f"each batch of {kind} within {asked.view} needs a header line Collection=")
    return batches


def _receive_batches(session: Session, kind: str, item: Any) -> list[tuple[str, list[Any]]]:
    """Return the values of each batch that is sent, with the collection that it names, if it does."""
    session.reply(Code.SEND_THEN_READ, f"send {kind}, then read")
    received: list[tuple[str, list[Any]]] = []
    count = 0
    batches = session.channel.read_batches()  # held, so that the connection outlives an error until that is told
    for batch in batches:
        received.append((named_collection(batch), read_typed(batch, kind, item)))
        count += len(received[-1][1])
        if count > MAX_ITEMS or len(received) > MAX_ITEMS:
            raise ProtocolError(f"more than {MAX_ITEMS} {kind} in one request")
    return received


def compare_ranges(session: Session, asked: Asked) -> None:
    """ranges: of those that differ, either their parts or all that is in them; of a view by collection."""
    wanted = _receive_by_collection(session, asked, "ranges", Range)
    responder = session.responder(asked.view)
    answers = [(collection, responder.ranges(collection, ranges)) for collection, ranges in wanted]
    session.send_batches(
        "ranges follow",
        (
            in_collection(batch, collection if asked.view else "")
            for collection, ranges in answers
            for batch in format_answers(ranges)
        ),
    )


# -- contents -----------------------------------------------------------------------------------------


def send_contents(session: Session, _asked: Asked, content: bytes | None, offset: int) -> None:
    """body: one content from an offset, or those that are asked for now."""
    if content is not None:
        requests = [ContentRequest(content, offset)]
    else:
        requests = receive(session, "contents", ContentRequest)
    session.send_batches("contents follow", map(format_part, session.responder().body(requests)))


def tell_lacking(session: Session, _asked: Asked) -> None:
    """lacks: of contents that the other side has, those that are wanted, from where."""
    wanted = session.responder().lacks(receive(session, "contents", ContentRequest))
    session.send_batches("contents wanted", [typed_batch("contents", wanted)])
