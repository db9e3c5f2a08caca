"""Has rooms be shown to users as they chose it elsewhere: as a board, as a mailbox.

A server lets nobody but the user choose that, who is logged in for it; the last call is put back.  What the user chose
there meanwhile stands.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from mirror.citadel.meaning.keys import ROOMS
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.writers.as_user import do_as_user, goto_as
from mirror.citadel.writers.base import Target, User, said_yes
from mirror.citadel.writers.fields import print_of
from mirror.citadel.writers.visits import is_visit, said_last, status_with, visited, visits_there
from mirror.model.fields import values_of
from mirror.model.kinds import room_of
from mirror.model.record import Record
from mirror.model.status import Status
from mirror.store.base import Reader

_VIEW = "v_view"
_AT_THE_ROOM = 11
"""The field of the answer to ``GOTO`` that tells how the room is shown to the user."""


class _Todo(NamedTuple):
    """How a room is to be shown to a user, and what the server said last of the user's visit there."""

    record: Record
    status: Status | None
    view: str


class ViewsWriter:
    """Writes how the rooms that the server has are shown to its users."""

    def collections(self, target: Target) -> Callable[[str], bool]:
        return visits_there(target)

    def takes(self, record: Record) -> bool:
        return is_visit(record)

    def write(self, target: Target, records: Sequence[Record]) -> bool:
        by_user: dict[str, list[_Todo]] = defaultdict(list)
        for todo in target.store.read(lambda reader: [_todo(reader, target.place, one) for one in records]):
            if todo is not None:
                by_user[todo.record.key].append(todo)
        users = target.users() if by_user else {}
        for key, some in by_user.items():
            if key in users and users[key].name != target.service:
                _write_user(target, users[key], key, some)
        return bool(by_user)


def _write_user(target: Target, user: User, key: str, todo: Sequence[_Todo]) -> None:
    done: list[Status] = []
    job = lambda client: _choose(target, client, user.number, todo, done)  # noqa: E731
    do_as_user(target, todo[0].record, "views", user.name, key, job)
    target.remember(done)


def _todo(reader: Reader, place: str, record: Record) -> _Todo | None:
    """Return what is to be done about a visit; nothing where the room is shown so there, as far as that was told."""
    view = str(values_of(record).get(_VIEW, ""))
    status = said_last(reader, place, record.collection, record.key)
    said = status.said.get(_VIEW) if status is not None else None
    room = reader.get(ROOMS, room_of(record.collection))
    default = str(values_of(room).get("QRdefaultview", "")) if room is not None else ""
    as_there = said == print_of(view) if said is not None else view == default
    return None if not view.isdigit() or as_there else _Todo(record, status, view)


def _choose(target: Target, client: CitadelClient, user: int, todo: Sequence[_Todo], done: list[Status]) -> None:
    """Have rooms be shown so to the user, by number, who is logged in; what is so then goes to ``done``."""
    for one in todo:
        into = visited(target, one.record.collection)
        (entered,) = client.ask_all([goto_as(into, user)])
        fields = entered[0].decode("utf-8", "replace").split("|") if said_yes(entered) else []
        if len(fields) <= _AT_THE_ROOM:
            target.leave(one.record, into.room.name, "its user cannot enter the room")
            continue
        now = fields[_AT_THE_ROOM]
        said = one.status.said.get(_VIEW) if one.status is not None else None
        if now != one.view and said not in (None, print_of(now)):
            continue  # the user chose just now: the next look tells
        if now != one.view and not said_yes(client.ask_all([f"VIEW {one.view}".encode()])[0]):
            target.leave(one.record, into.room.name, "the server does not show it so")
            continue
        target.written.others += now != one.view
        done.append(status_with(one.record, one.status, {_VIEW: print_of(one.view)}))
