"""From mail folders into their rooms: new messages, moved ones, marks, and what is gone.

All folders are looked at before anything is sent: a message that is gone from one folder and new in another was moved,
which is one act there, and nothing of it travels again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mirror.client.mail_form import Noted, digest, gist, is_of, noted, noting, pack
from mirror.client.mail_receiving import MailReceiver, copy_key, marks_by_key
from mirror.client.one_folder import FromFolder
from mirror.client.place import Changed, Found, Marks, Unusable
from mirror.client.round import A_BATCH, COPY, PULL, PUSH, Both, Round
from mirror.client.server import Held
from mirror.client.state import Row, marks_text
from mirror.formats.compose import Composed
from mirror.formats.errors import BadMessage
from mirror.formats.mail import MAIL_HEAD, compose_mail
from mirror.formats.message import parse_message
from mirror.formats.numbers import number_or_zero
from mirror.model.draft import Draft, Written, base_of
from mirror.model.keys import filed_key, split_key, without_text
from mirror.model.marks import mark_fields, mark_key
from mirror.model.record import INLINE_LIMIT, Record, pack_head
from mirror.model.texts import own_text


class Elsewhere:
    """What is gone from which folder of a pair, until it is found to have been moved to another one."""

    def __init__(self, gone: dict[str, dict[str, Row]]) -> None:
        """``gone`` is by room and by file name."""
        self.gone = gone

    def is_gone(self, room: str, row: Row) -> bool:
        return row.name in self.gone.get(room, {})

    def take(self, room: str, row: Row) -> None:
        """Have what is gone count as moved."""
        self.gone.get(room, {}).pop(row.name, None)


class Origin(NamedTuple):
    """Where a file's message is in another room of the pair: its room, and what is remembered of it there."""

    room: str
    row: Row


class New(NamedTuple):
    """A file of which nothing is remembered, or that holds something else than was agreed on (``row``)."""

    found: Found
    data: bytes
    composed: Composed
    row: Row | None = None


class Act(NamedTuple):
    """What is to be sent of a file; ``origin`` is where its message is already."""

    new: New
    draft: Draft
    origin: Origin | None = None


class MailSender(FromFolder):
    """Sends what changed in one mail folder."""

    def __init__(self, round: Round, both: Both, elsewhere: Elsewhere) -> None:
        super().__init__(round, both)
        self._elsewhere = elsewhere
        self._receiver = MailReceiver(round, both)
        self._alone = 0
        self._filed: dict[str, list[Held]] | None = None

    def send(self, changed: Sequence[Found]) -> None:
        """Send files that are new or changed.  Raises PlaceError, OSError, Refused."""
        for batch in self._batches(changed):
            self._send_batch(batch)
        if self._alone:
            self._note(f"{self._why_not_sent}: {self._alone} new messages stay here alone")

    def _send_batch(self, batch: Sequence[Found]) -> None:
        room = self._both.room.key
        rows = self._round.state.rows(room, [found.name for found in batch])
        marked: list[tuple[Found, Row]] = []
        news: list[New] = []
        for found in batch:
            row = rows.get(found.name)
            if row is not None and row.tag == found.tag:  # its marks alone are others
                marked.append((found, row))
                continue
            new = self._read(found, row)
            if new is not None and row is not None and row.agreed and noted(row.agreed).gist == gist(new.data):
                marked.append((found, _rewritten(row, new.data)))
            elif new is not None:
                news.append(new)
        self._send_new(news)
        self._send_marks(marked)

    def _read(self, found: Found, row: Row | None) -> New | None:
        try:
            data = self._both.place.read(found)
            return New(found, data, compose_mail(data, number_or_zero(found.name.partition(".")[0])), row)
        except Changed:
            return None  # the next round sees what it is by then
        except (BadMessage, Unusable) as error:
            self._problem(found.name, str(error))
            return None

    # -- new messages ---------------------------------------------------------------------------------

    def _send_new(self, news: Sequence[New]) -> None:
        """Send files of which the node has no message yet, and remember of the others which message they are."""
        if not news:
            return
        held = self._held(news)
        rows: list[Row] = []
        acts: list[Act] = []
        for new in news:
            one = next((one for one in held.get(new.composed.key, ()) if is_of(one, new.data, new.composed)), None)
            if one is not None and new.row is None:
                rows.append(self._paired(new, one))
            elif self._may_send(new):
                acts.append(self._act(new))
        moved, others = self._move(acts)
        rows += moved + self._offer(others)
        self._remember_new(news, rows)

    def _may_send(self, new: New) -> bool:
        """Tell whether a file may become a message; one that may not stays here alone."""
        rules = self._round.rules
        if self._why_not_sent:
            self._alone += 1
            return False
        message = parse_message(new.composed.body)
        why = rules.leaves_out(len(new.data), number_or_zero(message.text("T")))
        if why:
            self._note(f"{new.found.name} {why}: it stays here alone")
        return not why

    def _held(self, news: Sequence[New]) -> dict[str, list[Held]]:
        """Return what the node holds under the ids of files, by their plain keys."""
        keys = {new.composed.key for new in news}
        texts = {filed_key(new.composed.key, self._text(new)) for new in news}
        known = {
            row.key for key in keys for room, row in self._round.state.rows_anywhere(key) if room == self._both.room.key
        }
        found = self._round.server.get(self._both.collection, sorted(keys | texts | known))
        held: dict[str, list[Held]] = {}
        for key, one in found.items():
            held.setdefault(without_text(key), []).append(one)
        if not self._both.folder.complete and any(self._is_another(new, held) for new in news):
            for key, others in self._namesakes().items():
                held.setdefault(key, []).extend(others)
        return held

    def _is_another(self, new: New, held: Mapping[str, Sequence[Held]]) -> bool:
        """Tell whether the node holds messages of a file's id, and none of them is the file's."""
        there = held.get(new.composed.key, ())
        return bool(there) and not any(is_of(one, new.data, new.composed) for one in there)

    def _namesakes(self) -> dict[str, list[Held]]:
        """Return all messages of the room whose plain key another one has, by that."""
        if self._filed is None:
            self._filed = {}
            for page in self._round.server.whole(self._both.collection):
                for one in page:
                    plain, text = split_key(one.record.key)
                    if text and not one.record.dead:
                        self._filed.setdefault(plain, []).append(one)
        return self._filed

    def _text(self, new: New) -> str:
        return own_text(Record(self._both.collection, new.composed.key, 1, "", 1), lambda _record: new.composed.body)

    def _paired(self, new: New, held: Held) -> Row:
        """Return what is remembered of a file whose message the node has already."""
        agreed = noting(base_of(held.record), new.data, held.body == new.composed.body)
        return Row(new.found.name, new.found.tag, "", held.record.key, held.crc, pack(agreed))

    def _act(self, new: New) -> Act:
        """Return the draft that makes a file a message of its room, or takes it there from another room.

        It names no base unless a message was written over: of several of one id each is a message of its own.
        """
        collection, composed = self._both.collection, new.composed
        if new.row is not None and new.row.agreed and not new.row.key.startswith(COPY):
            edited = noted(new.row.agreed).base
            return Act(new, Draft(collection, new.row.key, edited, head=MAIL_HEAD, body=composed.body))
        origin = self._origin(new)
        if origin is None:
            return Act(new, Draft(collection, composed.key, head=MAIL_HEAD, body=composed.body))
        return Act(new, self._from(origin, new, Draft(collection, without_text(origin.row.key))), origin)

    def _origin(self, new: New) -> Origin | None:
        """Return the message of another room of the pair that a file is of; best one that is gone from there."""
        found = [
            Origin(room, row)
            for room, row in self._round.state.rows_anywhere(new.composed.key)
            if room != self._both.room.key and row.agreed and noted(row.agreed).gist == gist(new.data)
        ]
        return min(found, key=lambda one: not self._elsewhere.is_gone(one.room, one.row), default=None)

    def _from(self, origin: Origin, new: New, draft: Draft) -> Draft:
        """Return a draft with the body that a message has in another room."""
        before = noted(origin.row.agreed)
        if before.as_file and before.digest == digest(new.data):
            return _with_body(draft, MAIL_HEAD, new.composed.body)
        held = self._round.server.get(f"messages/{origin.room}", [origin.row.key]).get(origin.row.key)
        if held is None or held.record.dead:
            return _with_body(draft, MAIL_HEAD, new.composed.body)
        return _with_body(draft, held.record.head, held.body)

    def _move(self, acts: Sequence[Act]) -> tuple[list[Row], list[Act]]:
        """Have messages moved that are gone from another folder; return rows, and what is to be sent all the same."""
        rows: list[Row] = []
        others: list[Act] = []
        by_room: dict[str, list[tuple[Act, Origin]]] = {}
        for act in acts:
            if act.origin is not None and self._elsewhere.is_gone(act.origin.room, act.origin.row):
                by_room.setdefault(act.origin.room, []).append((act, act.origin))
            else:
                others.append(act)
        for room, group in by_room.items():
            self._count("moved", len(group))
            if self._round.rules.dry:
                continue
            told = self._round.server.move(room, self._both.room.key, [origin.row.key for _, origin in group])
            if told is None:  # what is gone is deleted there later
                others += [act for act, _ in group]
                continue
            for (act, origin), there in zip(group, told, strict=True):
                rows.append(_moved(act.new, origin, there))
                self._elsewhere.take(room, origin.row)
            with self._round.state.writing():
                self._round.state.drop(room, [origin.row.name for _, origin in group])
        return rows, others

    def _offer(self, acts: Sequence[Act]) -> list[Row]:
        """Have drafts written; return what is to be remembered of those that were.

        What was deleted there while it was written over here becomes a message again: whoever wrote it wants it.
        """
        for act in acts:
            self._count("changed" if act.new.row else "new")
        if self._round.rules.dry or not acts:
            return []
        rows, dead = self._offered(acts)
        self.remember([], [new.found.name for new in dead])
        return rows + self._offered([self._act(new._replace(row=None)) for new in dead])[0]

    def _offered(self, acts: Sequence[Act]) -> tuple[list[Row], list[New]]:
        """Offer drafts; return what is to be remembered of those that were written, and what is deleted there."""
        rows: list[Row] = []
        dead: list[New] = []
        outcomes = self._round.server.offer([act.draft for act in acts]) if acts else []
        for act, end in zip(acts, outcomes, strict=True):
            if end.refused:
                self._problem(act.new.found.name, f"the node does not take it: {end.refused}")
            elif end.there is not None and not end.there.dead:
                rows.append(_row(act.new, end.there, end.there.as_sent and act.draft.head == MAIL_HEAD))
            elif act.new.row is not None:
                dead.append(act.new)
        return rows, dead

    def _remember_new(self, news: Sequence[New], rows: Sequence[Row]) -> None:
        """Remember which messages files are; a second file of one is remembered as its copy."""
        found = {new.found.name: new.found for new in news}
        known = self._round.state.rows_by_key(self._both.room.key, [row.key for row in rows])
        own: dict[str, Row] = {}
        copies: list[Row] = []
        for row in rows:
            other = known.get(row.key)
            if other is not None and other.name != row.name and self._elsewhere.is_gone(self._both.room.key, other):
                self._elsewhere.take(self._both.room.key, other)  # it has another name now
            elif row.key in own or (other is not None and other.name != row.name):
                copies.append(row._replace(key=copy_key(row.key, row.name), marks=marks_text(found[row.name].marks)))
                continue
            own[row.key] = row
        self.remember(copies, [])
        self._send_marks([(found[row.name], row) for row in own.values()])

    # -- marks ----------------------------------------------------------------------------------------

    def _send_marks(self, marked: Sequence[tuple[Found, Row]]) -> None:
        """Send what was changed of marks, and remember files as they are."""
        own = [(found, row) for found, row in marked if not row.key.startswith(COPY)]
        changed = [(found, row) for found, row in own if found.marks != frozenset(row.marks.split())]
        if self._round.rules.direction == PULL:
            changed = []
        keys = [mark_key(self._round.server.user_key, row.key) for _, row in changed]
        held = self._round.server.get(self._both.marks, keys) if keys else {}
        self._count("marks", len(changed))
        if self._round.rules.dry:
            return
        sent = self._offer_marks(changed, held)
        sent |= {row.key: marks_text(found.marks) for found, row in marked if row.key.startswith(COPY)}
        rows = [
            row._replace(name=found.name, tag=found.tag, marks=sent.get(row.key, row.marks)) for found, row in marked
        ]
        self.remember(rows, [])
        theirs = marks_by_key(self._round.server.user_key, held.values())
        merged = {row.key: _merged(row, found, theirs[row.key]) for found, row in changed if row.key in theirs}
        if self._round.rules.direction != PUSH:
            self._receiver.bear(merged)

    def _offer_marks(self, changed: Sequence[tuple[Found, Row]], held: Mapping[str, Held]) -> dict[str, str]:
        """Offer marks; return by the messages' keys those that both sides have by now."""
        if not changed:
            return {}
        ends = self._round.server.offer([self._marking(found, row, held) for found, row in changed])
        for (found, _), end in zip(changed, ends, strict=True):
            if end.refused:
                self._problem(found.name, f"the node does not take its marks: {end.refused}")
        return {
            row.key: marks_text(found.marks) for (found, row), end in zip(changed, ends, strict=True) if end.written
        }

    def _marking(self, found: Found, row: Row, held: Mapping[str, Held]) -> Draft:
        key = mark_key(self._round.server.user_key, row.key)
        there = held.get(key)
        fields = mark_fields(row.marks.split(), found.marks)
        return Draft(
            self._both.marks, key, base_of(there.record) if there is not None else None, head=pack_head(fields)
        )

    # -- what is gone ---------------------------------------------------------------------------------

    def send_gone(self, another: bool) -> int:
        """Delete what is gone from the folder and was not moved; return how many deletions are held back.

        ``another`` tells that this folder is another one than was agreed on.
        """
        rows = self._promoted(list(self._elsewhere.gone.get(self._both.room.key, {}).values()))
        if not rows:
            return 0
        if self._why_not_sent:
            self._put_back(rows)
            return 0
        if self._holds(len(rows), another):
            return len(rows)
        for start in range(0, len(rows), A_BATCH):
            self._delete(rows[start : start + A_BATCH])
        return 0

    def _promoted(self, gone: Sequence[Row]) -> list[Row]:
        """Return what is gone of which there is no copy left; a copy takes the place of the message's file."""
        room, state = self._both.room.key, self._round.state
        names = {row.name for row in gone}
        rows: list[Row] = []
        for row in gone:
            copies = [] if row.key.startswith(COPY) else state.rows_beginning(room, copy_key(row.key, ""))
            left = next((one for one in copies if one.name not in names), None)
            if left is not None and not self._round.rules.dry:
                with state.writing():
                    state.drop(room, [row.name, left.name])
                    state.put(room, [left._replace(key=row.key, crc=row.crc)])
            elif row.key.startswith(COPY):
                self.remember([], [row.name])
            elif left is None:
                rows.append(row)
        return rows

    def _delete(self, rows: Sequence[Row]) -> None:
        self._count("deleted", len(rows))
        if self._round.rules.dry:
            return
        drafts = [Draft(self._both.collection, row.key, noted(row.agreed).base, dead=True) for row in rows]
        outcomes = self._round.server.offer(drafts)
        refused = [(row, end.refused) for row, end in zip(rows, outcomes, strict=True) if end.refused]
        self.remember([], [row.name for row in rows])
        for row, why in refused:
            self._problem(row.name, f"the node does not let it be deleted, so it is back: {why}")
        self._write_again([row for row, _ in refused], self._receiver.write)

    def _put_back(self, rows: Sequence[Row]) -> None:
        """Write what was deleted from a folder whose room is only read."""
        self._note(f"{len(rows)} deleted messages are put back: this room, or this pair, is only read")
        if not self._round.rules.dry:
            self.remember([], [row.name for row in rows])
            self._write_again(rows, self._receiver.write)

    def _count(self, what: str, number: int = 1) -> None:
        self._round.report.count(self._round.report.sent, what, number)


def _merged(row: Row, found: Found, theirs: Marks) -> Marks:
    """Return the marks that a message has once those that were changed here are changed there as well."""
    before = frozenset(row.marks.split())
    return (theirs - (before - found.marks)) | (found.marks - before)


def _row(new: New, there: Written, as_file: bool, marks: str = "") -> Row:
    """Return what is remembered of a file that became a message, of which both agreed on some marks before."""
    assert there.base is not None  # it lives
    agreed = pack(noting(there.base, new.data, as_file))
    # What others wrote at the same moment, or the node signed, is taken as it is there now.
    return Row(new.found.name, new.found.tag, marks, there.key, there.crc if there.as_sent else 0, agreed)


def _moved(new: New, origin: Origin, there: Written) -> Row:
    """Return what is remembered of a file whose message was moved to its room."""
    before = noted(origin.row.agreed)
    as_file = there.as_sent and before.as_file and before.digest == digest(new.data)
    return _row(new, there, as_file, origin.row.marks)


def _rewritten(row: Row, data: bytes) -> Row:
    """Return what is remembered of a message whose file a program wrote anew, to say the same."""
    before = noted(row.agreed)
    as_file = before.as_file and before.digest == digest(data)
    return row._replace(agreed=pack(Noted(before.base, digest(data), before.gist, as_file)))


def _with_body(draft: Draft, head: bytes, body: bytes) -> Draft:
    """Return a draft with a body that the node has: a large one is named, and does not travel."""
    if len(body) <= INLINE_LIMIT:
        return Draft(draft.collection, draft.key, draft.base, head=head, body=body)
    return Draft(
        draft.collection, draft.key, draft.base, head=head, content=hashlib.sha256(body).digest(), size=len(body)
    )
