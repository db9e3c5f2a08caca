"""SYNC's list of rooms: what is open to a user, be there anything in it or not, and how that changes."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

import gevent

from mirror.server.session import Session
from mirror.server.table import Asked, Permission
from mirror.service.rights import UserScope
from mirror.service.views import RoomList
from mirror.store.threads import run_in
from mirror.wire.answers import format_listed_room, format_room_list
from mirror.wire.batch import Batch
from mirror.wire.bulk import format_rooms
from mirror.wire.errors import Refused
from mirror.wire.lines import Code, format_line

T = TypeVar("T")

FEW = 500
"""Rooms of which a list is made in the green thread that asks."""


def tell_rooms(session: Session, asked: Asked, token: int | None) -> None:
    """rooms: each room of a view, or of all that are open to the user, unless the asker holds the list of that token.

    Beside it the end of the feed as of the same moment.
    """
    _require_view(session, asked)
    responder = session.answering(asked.view)
    cursor = responder.end()
    scope = responder.scope
    assert isinstance(scope, UserScope)  # the table lets users alone in
    listed, lines = _apart(scope, lambda: _with_lines(RoomList.of(scope), token))
    told = format_room_list(listed.token, cursor, listed.everything)
    if lines is None:
        session.reply(Code.OK, told)
    else:
        session.send_formatted(told, lines)


def _with_lines(listed: RoomList, token: int | None) -> tuple[RoomList, bytes | None]:
    """Return a list and its lines; none where it is the one of that token."""
    if token == listed.token:
        return listed, None
    return listed, b"".join(format_line(format_listed_room(room)) for room in listed.ordered())


def _apart(scope: UserScope, work: Callable[[], T]) -> T:
    """Do what takes its time where there are many rooms, so that it does not hold up other green threads then."""
    if len(scope.rooms) <= FEW:
        return work()
    return run_in(gevent.get_hub().threadpool, work)


def _require_view(session: Session, asked: Asked) -> None:
    """Raise Refused where no rooms are listed: to who is no user, and for types that are no views."""
    session.require(Permission.USER)
    if asked.type != "all" and not asked.view:
        raise Refused(Code.ILLEGAL, "rooms are listed for the type all, and for a user's views")


class RoomNews:
    """What a client that reads the feed is told of rooms: how their list differs from the one that it holds."""

    def __init__(self, session: Session, asked: Asked, token: int) -> None:
        """``token`` is that of the list which the client holds.  Raises Refused."""
        _require_view(session, asked)
        self._responder = session.answering(asked.view)
        self._encoding = session.encoding
        self._token = token
        self._scope: UserScope | None = None
        self._told: RoomList | None = None

    def batches(self) -> Iterable[Batch]:
        """Return what has to be told before the page that was read last, whose rights may be others than before."""
        scope = self._responder.scope
        if scope is self._scope or not isinstance(scope, UserScope):
            return ()
        told, before = self._told, self._scope
        if told is None or before is None:
            now = _apart(scope, partial(RoomList.of, scope))
        else:
            now = told.following(before, scope)
        self._told, self._scope = now, scope
        if now.token == self._token:
            return ()
        self._token = now.token
        return format_rooms(now.told_to(told, scope.exists), self._encoding)
