"""SYNC's actions on a user's own rooms: made, renamed, deleted; and messages moved from room to room as one act."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from mirror.model.digest import Digest
from mirror.model.draft import Draft, Written, base_of
from mirror.model.drafting import deletion_of, only_over
from mirror.model.fields import values_of
from mirror.model.heads import without_edits
from mirror.model.keys import split_key
from mirror.model.kinds import Collection, room_of
from mirror.model.marks import field_of, mark_key, marks_in
from mirror.model.merge import is_item
from mirror.model.record import Record, pack_head
from mirror.model.texts import MAX_COMPARED
from mirror.server.drafts import acting, write_drafts
from mirror.server.queries import receive
from mirror.server.session import Session
from mirror.server.table import Asked
from mirror.service.folders import Owner, RoomsChanged, delete_folder, make_folder, rename_folder
from mirror.service.rights import UserScope
from mirror.service.views import listed
from mirror.store.base import Reader, Writer
from mirror.sync.remote import Denied
from mirror.sync.scope import Scope
from mirror.wire.answers import format_listed_room
from mirror.wire.bulk import format_written
from mirror.wire.errors import Refused
from mirror.wire.lines import Code

T = TypeVar("T")

MAX_MOVED = 1000
"""Messages that are moved as one act."""
_TRIES = 5
_MAILBOXES = "mailboxes"


def create(session: Session, asked: Asked, view: int, name: str) -> None:
    """create: make a room of the user's own."""
    key = _write(session, asked, lambda writer, owner: make_folder(writer, owner, name, view))
    _tell_room(session, key)


def rename(session: Session, asked: Asked, key: str, name: str) -> None:
    """rename: give a room of the user's own another name."""
    _write(session, asked, lambda writer, owner: rename_folder(writer, owner, key, name))
    _tell_room(session, key)


def delete(session: Session, asked: Asked, key: str, count: int | None, total: int | None) -> None:
    """delete: delete a room of the user's own, with the digest of its messages only if they are still that."""
    known = Digest(count, 0, total) if count is not None and total is not None else None
    _write(session, asked, lambda writer, owner: delete_folder(writer, owner, key, known))
    session.reply(Code.OK, key)


def _write(session: Session, asked: Asked, change: Callable[[Writer, Owner], T]) -> T:
    """Change the user's own rooms as they are in the very state that is written to."""
    _require_mailboxes(asked)
    session.node.single_user.check_open(session.require_party().label)
    for left in reversed(range(_TRIES)):
        owner = _owner(session)
        try:
            return session.node.store.write(lambda writer: change(acting(session, writer), owner))  # noqa: B023
        except RoomsChanged as error:
            if not left:
                raise Refused(Code.BUSY, str(error)) from None
    raise AssertionError  # the last try returns or raises


def _require_mailboxes(asked: Asked) -> None:
    if asked.view != _MAILBOXES:
        raise Refused(Code.ILLEGAL, f"own rooms are changed, and messages moved, by SYNC {_MAILBOXES}|...")


def _owner(session: Session) -> Owner:
    """Return the rights of the user who is logged in, and as of when they are."""
    responder = session.answering()
    sequence = responder.end().sequence
    scope = responder.scope
    assert isinstance(scope, UserScope)  # views are for users alone
    return Owner(scope, sequence)


def _tell_room(session: Session, key: str) -> None:
    scope = _owner(session).scope
    room = scope.rooms.get(key)
    session.reply(Code.OK, format_listed_room(listed(scope, key, room)) if room is not None else key)


# -- moving -------------------------------------------------------------------------------------------


def move(session: Session, asked: Asked, source: str, target: str) -> None:
    """move: put messages into another room, with the user's marks, and out of the one where they are; all or none."""
    _require_mailboxes(asked)
    session.node.single_user.check_open(session.require_party().label)
    keys = receive(session, "keys", str)
    if len(keys) > MAX_MOVED or source == target:
        raise Refused(Code.ILLEGAL, f"at most {MAX_MOVED} messages are moved at once, into another room")
    responder = session.answering()
    user = session.require_party().user_key
    moved = responder.read(lambda reader: [_moved(reader, responder.scope, user, source, target, key) for key in keys])
    drafts = [one.put for one in moved] + [one.taken for one in moved]
    written = write_drafts(session, responder, drafts, lambda writer, each: _marks_moved(writer, user, moved, each))
    session.send_batches("moved", format_written(written.each[: len(keys)], session.encoding))


class _Moved(NamedTuple):
    """The drafts by which a message is in the one room and not in the other, and the user's marks where it was."""

    put: Draft
    taken: Draft
    marks: Record | None


def _moved(reader: Reader, scope: Scope, user: str, source: str, target: str, key: str) -> _Moved:
    """Return what moving a message takes.  Raises Denied where it is not there, or may not be read."""
    collection = str(Collection("messages", source))
    if not scope.reads(collection):
        raise Denied(f"{collection} is not here")
    held = reader.get(collection, key)
    if held is None or held.dead:
        raise Denied(f"{collection} {key[:80]!r} is not here")
    head = without_edits(held.head) if is_item(held) else held.head
    plain = split_key(key)[0]
    put = Draft(str(Collection("messages", target)), plain, None, False, head, held.body, held.content, held.size)
    large = held.size > MAX_COMPARED  # its text is named by its content: it is not read for that
    taken = only_over(held, deletion_of(held, b"" if large else reader.body(held)))
    marks = reader.get(str(Collection("visits", source)), mark_key(user, key))
    return _Moved(put, taken, None if marks is None or marks.dead or not marks_in(values_of(marks)) else marks)


def _marks_moved(reader: Reader, user: str, moved: Sequence[_Moved], written: Sequence[Written]) -> list[Draft]:
    """Return the drafts that move the user's marks, given what became of the messages.

    Another message of the id may be in the room: then this one is filed under another key than it was sent with.
    """
    drafts = []
    for one, there in zip(moved, written, strict=False):  # behind the messages stand their deletions
        if one.marks is not None:
            collection = str(Collection("visits", room_of(there.collection)))
            drafts += [_marked(reader, collection, mark_key(user, there.key), one.marks), deletion_of(one.marks)]
    return drafts


def _marked(reader: Reader, collection: str, key: str, marks: Record) -> Draft:
    there = reader.get(collection, key)
    base = base_of(there) if there is not None else None
    return Draft(collection, key, base, head=pack_head(dict.fromkeys(map(field_of, marks_in(values_of(marks))), True)))
