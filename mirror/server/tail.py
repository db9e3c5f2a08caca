"""SYNC's tail: the feed, and then every change as it is committed, until the other side sends anything."""

import logging

import gevent
from gevent.event import Event
from gevent.socket import wait_read

from mirror.model.errors import MirrorError
from mirror.server.pages import SharedPage
from mirror.server.session import Session
from mirror.server.table import Asked
from mirror.service.rights import UserScope
from mirror.sync.responder import check_page
from mirror.wire.bulk import format_page
from mirror.wire.codec import MSGPACK, Cursor
from mirror.wire.errors import ProtocolError
from mirror.wire.lines import Code
from mirror.wire.values import Page

log = logging.getLogger("mirror.session")


def send_tail(session: Session, asked: Asked, cursor: Cursor) -> None:
    """Send what changes as it is committed, until the other side sends anything or goes away."""
    trimmed = session.responder().check_cursor(cursor)
    session.reply(Code.LISTING, "changes follow; any line ends them")
    with session.in_listing():
        _tail(session, asked, cursor.sequence, trimmed)


def _tail(session: Session, asked: Asked, after: int, trimmed: int) -> None:
    """Do so.  Raises StaleCursor, and ProtocolError for a line that is none."""
    changed, stopped = Event(), Event()
    stop_watching = session.node.store.watch(changed.set)
    listener = gevent.spawn(_wait_for_input, session, changed, stopped)
    try:
        _send_changes(session, asked, after, trimmed, changed, stopped)
    finally:
        stop_watching()
        listener.kill()
    if isinstance(listener.value, ProtocolError):
        raise listener.value


def _wait_for_input(session: Session, changed: Event, stopped: Event) -> ProtocolError | None:
    """Wait for a line, or the end of the connection.  Returns what was wrong with the line."""
    try:
        if not session.channel.pending:
            wait_read(session.channel.socket.fileno())
        session.closing = session.channel.read_line() is None
    except ProtocolError as error:
        return error
    except (MirrorError, OSError, ValueError) as error:  # the last: a socket that was closed here
        log.debug("a tail ends: %s", error)
        session.closing = True
    finally:
        stopped.set()
        changed.set()
    return None


def _send_changes(session: Session, asked: Asked, after: int, trimmed: int, changed: Event, stopped: Event) -> None:
    recent = session.node.recent[session.require_party().name]
    keepalive = session.node.config.replication.keepalive_s
    caught_up = False
    while not stopped.is_set():
        changed.clear()
        shared = _next_page(session, asked, after, caught_up)
        check_page(shared.page, after, trimmed)
        page = recent.without(shared.page)
        if page is shared.page and page.records and shared.wire:
            session.channel.send(shared.wire)
        elif page.records or shared.more:
            session.channel.send_batch(format_page(page, session.encoding))
        after = page.cursor.sequence if page.cursor is not None else after
        caught_up = not shared.more
        if caught_up and not _wait(changed, keepalive - session.channel.quiet_s):
            session.channel.send_batch(format_page(Page([], [], page.cursor), session.encoding))


def _wait(changed: Event, seconds: float) -> bool:
    """Wait for a change until a keepalive is due; tell whether none is.

    Counted from what was sent last: changes that this party may not see, however many, send it nothing.
    """
    return seconds > 0 and changed.wait(seconds)


def _next_page(session: Session, asked: Asked, after: int, caught_up: bool) -> SharedPage:
    """Return the next page: the one that all mirrors share, or one for this party's rights and type alone."""
    party = session.require_party()
    if session.pinned is None and party.is_user:
        return (_nothing_new(session, after) if caught_up else None) or _page_alone(session, asked, after)
    if session.pinned is None and asked.type == "all":
        shared = session.node.pages_for(party.scope).read(after)
        return shared if session.encoding == MSGPACK else shared._replace(wire=b"")
    return _page_alone(session, asked, after)


def _page_alone(session: Session, asked: Asked, after: int) -> SharedPage:
    page, more = session.answering().page(after, asked.allows, asked.collection)
    return SharedPage(page, more, b"")


def _nothing_new(session: Session, after: int) -> SharedPage | None:
    """Return an empty page where nothing has changed that this user sees, nor anything that rights hang on."""
    scope = session.answering().scope
    changed = session.node.changes.after(after)
    if not isinstance(scope, UserScope) or scope.touched_by(changed.collections):
        return None
    cursor = Cursor(session.node.store.epoch, changed.sequence)
    return SharedPage(Page([], [], cursor, changed.trimmed), False, b"")
