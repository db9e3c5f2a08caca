"""SYNC's tail: the feed, and then every change as it is committed, until the other side sends anything.

A client that names the list of rooms that it holds hears of rooms as well, and ends its tail by its next command.
"""

import logging
import time

import gevent
from gevent.event import Event
from gevent.socket import wait_read

from mirror.model.errors import MirrorError
from mirror.peer.presence import nothing
from mirror.server.pages import SharedPage
from mirror.server.rooms import RoomNews
from mirror.server.session import Session
from mirror.server.table import Asked
from mirror.service.rights import UserScope
from mirror.sync.responder import check_page
from mirror.wire.bulk import Wanted, format_keepalive, format_page
from mirror.wire.codec import MSGPACK, Cursor
from mirror.wire.errors import ProtocolError
from mirror.wire.lines import Code
from mirror.wire.values import Page

log = logging.getLogger("mirror.session")

_SIGN = b"QNOP"
"""The line that does not end a tail: a sign of life, answered by a keepalive."""


def send_tail(session: Session, asked: Asked, cursor: Cursor, token: int | None) -> None:
    """Send what changes as it is committed, until the other side sends anything or goes away."""
    news = RoomNews(session, asked, token) if token is not None else None
    trimmed = session.responder(asked.view).check_cursor(cursor)
    session.reply(Code.LISTING, "changes follow; any line ends them")
    with session.in_listing():
        _tail(session, asked, cursor.sequence, trimmed, news)


class _Wakes:
    """What a tail waits for: ``changed`` wakes it, whatever it was."""

    def __init__(self) -> None:
        self.changed = Event()
        self.stopped = False
        self.wanted = False
        """Whether a keepalive is wanted now: the other side asks whether this node lives."""
        self.asks = Wanted()
        """What the other side is to be asked for."""

    def stop(self) -> None:
        self.stopped = True
        self.changed.set()

    def want(self) -> None:
        self.wanted = True
        self.changed.set()

    def ask(self) -> None:
        self.asks = self.asks._replace(life=True)
        self.want()

    def compare(self, name: str) -> None:
        self.asks = self.asks._replace(comparison=name)
        self.want()


def _tail(session: Session, asked: Asked, after: int, trimmed: int, news: RoomNews | None) -> None:
    """Do so.  Raises StaleCursor, and ProtocolError for a line that is none."""
    wakes = _Wakes()
    stop_watching = session.node.store.watch(wakes.changed.set)
    listener = gevent.spawn(_wait_for_input, session, wakes, news is not None)
    if session.presence is not None:
        session.presence.ask = wakes.ask
    session.interrupt, session.compare = wakes.stop, wakes.compare
    try:
        _send_changes(session, asked, after, trimmed, wakes, news)
    finally:
        session.stop_following()
        stop_watching()
        listener.kill()
        session.interrupt, session.compare = nothing, None
        if session.presence is not None:
            session.presence.ask = nothing
    if isinstance(listener.value, ProtocolError):
        raise listener.value


def _wait_for_input(session: Session, wakes: _Wakes, is_command: bool) -> ProtocolError | None:
    """Wait for a line that ends the tail, or the end of the connection.  Returns what was wrong with the line.

    ``is_command``: the line is answered once the tail has ended.
    """
    try:
        while (line := _next_line(session)) is not None:
            if line.strip().upper() != _SIGN:
                session.answer_next(line if is_command else b"")
                return None
            wakes.want()
        session.closing = True
    except ProtocolError as error:
        return error
    except (MirrorError, OSError, ValueError) as error:  # the last: a socket that was closed here
        log.debug("a tail ends: %s", error)
        session.closing = True
    finally:
        wakes.stop()
    return None


def _next_line(session: Session) -> bytes | None:
    """Return the next line, waiting for it without the connection's timeout."""
    if not session.channel.pending:
        wait_read(session.channel.socket.fileno())
    return session.channel.read_line()


def _send_changes(
    session: Session, asked: Asked, after: int, trimmed: int, wakes: _Wakes, news: RoomNews | None
) -> None:
    recent = session.node.recent_of(session.require_party())
    keepalive = session.node.config.replication.keepalive_s
    caught_up = promised = False
    while not wakes.stopped:
        wakes.changed.clear()
        shared = _next_page(session, asked, after, caught_up)
        check_page(shared.page, after, trimmed)
        told = list(news.batches()) if news is not None else []
        page = recent.without(shared.page)
        for batch in told:
            session.channel.send_batch(batch)
        if page is shared.page and page.records and shared.wire:
            session.channel.send(shared.wire)
        elif page.records or shared.more or promised or told:
            # Where more was promised that is not for this one it hears that; and as of when the rooms are these.
            session.channel.send_batch(format_page(page, session.encoding))
        after = page.cursor.sequence if page.cursor is not None else after
        caught_up, promised = not shared.more, shared.more
        session.sent = after
        if caught_up:
            session.caught_up = time.time()
        if wakes.wanted or (caught_up and not _wait(wakes.changed, keepalive - session.channel.quiet_s)):
            _send_keepalive(session, page, wakes)


def _send_keepalive(session: Session, page: Page, wakes: _Wakes) -> None:
    asks, wakes.wanted, wakes.asks = wakes.asks, False, Wanted()
    session.channel.send_batch(format_keepalive(page, session.encoding, asks))


def _wait(changed: Event, seconds: float) -> bool:
    """Wait for a change until a keepalive is due; tell whether none is.

    Counted from what was sent last: changes that this party may not see, however many, send it nothing.
    """
    return seconds > 0 and changed.wait(seconds)


def _next_page(session: Session, asked: Asked, after: int, caught_up: bool) -> SharedPage:
    """Return the next page: the one that all mirrors share, or one for this party's rights and type alone."""
    party = session.require_party()
    if session.pinned is None and party.is_user:
        return (_nothing_new(session, asked, after) if caught_up else None) or _page_alone(session, asked, after)
    if session.pinned is None and asked.type == "all":
        shared = session.node.pages_for(party.scope).read(after)
        return shared if session.encoding == MSGPACK else shared._replace(wire=b"")
    return _page_alone(session, asked, after)


def _page_alone(session: Session, asked: Asked, after: int) -> SharedPage:
    page, more = session.answering(asked.view).page(after, asked.allows, asked.collection)
    return SharedPage(page, more, b"")


def _nothing_new(session: Session, asked: Asked, after: int) -> SharedPage | None:
    """Return an empty page where nothing has changed that this user sees, nor anything that rights hang on."""
    scope = session.answering(asked.view).scope
    changed = session.node.changes.after(after)
    if not isinstance(scope, UserScope) or scope.touched_by(changed.collections):
        return None
    cursor = Cursor(session.node.store.epoch, changed.sequence)
    return SharedPage(Page([], [], cursor, changed.trimmed, left=0), False, b"")
