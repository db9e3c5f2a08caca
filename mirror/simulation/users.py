"""What users do: edit what they see, and what they saw a while ago somewhere else; delete; settle conflicts.

A user's client keeps what it was shown last on a shelf.  While it is offline it drafts from there, so drafts name bases
that are stale by the time they are sent, to whichever node the client reaches then.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import msgspec

from mirror.formats.beside import NoCopy
from mirror.model.draft import Base, Changed, Draft, base_of, joint_base
from mirror.model.drafting import deletion_of, draft_over, only_over
from mirror.model.errors import BadRecord, StampAhead
from mirror.model.item import find_item
from mirror.model.keys import split_key
from mirror.model.kinds import MergeRule, kind_of
from mirror.model.limits import FIELDS
from mirror.model.merge import is_item
from mirror.model.record import INLINE_LIMIT, Record, pack_head, record_crc
from mirror.simulation.ledger import Deed, Said, Thing
from mirror.simulation.node import SimulatedNode
from mirror.simulation.stage import Stage
from mirror.store.base import Reader, Writer
from mirror.store.values import Conflict

KEYS = ("one", "two", "three", "four", "five")
SHARED_ID = "id:shared"
"""An id under which different messages are posted, here and elsewhere."""
COLLECTIONS = ("messages/a:1", "messages/a:2", "users", "rooms", "config", "files/a:1", "visits/a:1")
AUTHORS = ("Ann", "Bob")
EVENT = """\
BEGIN:VCALENDAR
BEGIN:VEVENT
{lines}
END:VEVENT
END:VCALENDAR
"""
REFUSALS = (Changed, StampAhead, NoCopy)
"""What a user may be told instead of an acknowledgement."""
FULL = f"fields are over the limit of {FIELDS.count}"
"""So is a user who sets a new field where others have filled a record."""
Job = Callable[[Writer], tuple[Deed, ...]]


class Shown(NamedTuple):
    """A version as a client was shown it."""

    record: Record
    body: bytes


class Users:
    """All users of a schedule; each node has one at a time."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._chance = stage.chance
        self._shelves: defaultdict[str, dict[Thing, Shown]] = defaultdict(dict)
        self._unheard: defaultdict[str, list[Job]] = defaultdict(list)

    def collections(self, _node: SimulatedNode) -> Sequence[str]:
        """Return where a node's user writes."""
        return COLLECTIONS

    def friends(self, _node: SimulatedNode) -> Sequence[SimulatedNode]:
        """Return the nodes at which a node's user may have seen what it drafts from."""
        return self._stage.nodes

    def key(self, collection: str, text: str) -> str:
        """Return under which key a user writes next; most are written to again and again."""
        key = self._chance.choice(KEYS)
        if not collection.startswith("messages/"):
            return key
        drawn = self._chance.random()
        if drawn < 0.3:
            return SHARED_ID
        return f"euid:{key}" if drawn < 0.65 else f"id:{text}"

    def work(self, node: SimulatedNode, least_ms: int = 100, most_ms: int = 4000) -> None:
        """Look and write, for one life of a node."""
        while True:
            self._stage.world.sleep(self._chance.randint(least_ms, most_ms))
            if self._chance.random() < 0.4:
                self._stage.attempt(partial(self._look, node))
            self.do(node, self._next(node))

    def _next(self, node: SimulatedNode) -> Job:
        """Return what a user does next: send again what it never heard of, or something new."""
        unheard = self._unheard[node.name]
        if unheard and self._chance.random() < 0.5:
            return unheard.pop()
        return self._something(node)

    def do(self, node: SimulatedNode, job: Job) -> None:
        """Write, and keep what was acknowledged; what was never heard of is sent again some day."""
        try:
            done = self._stage.attempt(lambda: node.store.write(job))
        except REFUSALS:
            return
        except BadRecord as error:
            if FULL not in str(error):
                raise
            return
        if done is None:
            self._unheard[node.name].append(job)
        for deed in done or ():
            self._stage.outcome.writes += 1
            self._stage.outcome.drafts += deed.said is not None
            self._stage.ledger.acknowledged(node.name, self._stage.world.now, deed)

    def _look(self, node: SimulatedNode) -> None:
        """Have a client see some of what a node holds, deletions included."""
        shelf, collection = self._shelves[node.name], self._chance.choice(self.collections(node))

        def job(reader: Reader) -> list[Shown]:
            return [Shown(record, reader.body(record)) for record in reader.scan(collection)]

        for shown in node.store.read(job):
            if self._chance.random() < 0.7:
                shelf[collection, shown.record.key] = shown

    def _something(self, node: SimulatedNode) -> Job:
        chance = self._chance
        # A client may have seen what it drafts from at another node.
        shelf = self._shelves[node.name if chance.random() < 0.8 else chance.choice(self.friends(node)).name]
        collection = chance.choice(self.collections(node))
        text = f"{node.name} {self._stage.world.now} {chance.random()}"
        key = self.key(collection, text)
        if key == SHARED_ID:
            if chance.random() < 0.4:
                body = text_of(chance, key, text, None)
                return partial(send_draft, Draft(collection, key, body=body), body)
            # Its user chooses one of those of that id that it was shown.
            shown = [one for name, one in shelf if name == collection and split_key(one)[0] == key]
            key = chance.choice(shown or [key])
        what = chance.random()
        if what < 0.1:
            return partial(delete_living, collection, chance.random())
        if what < 0.2:
            return self._stale_deletion(collection, key, shelf)
        if what < 0.27:
            return partial(settle_conflict, chance.choice(("restore", "dismiss", "keep_both")), chance.random())
        if what < 0.6:
            return self._draft(collection, key, text, shelf.get((collection, key)))
        return knowing_edit(chance, collection, key, text, overwriting=what > 0.93)

    def _stale_deletion(self, collection: str, key: str, shelf: dict[Thing, Shown]) -> Job:
        shown = shelf.get((collection, key))
        if shown is None or shown.record.dead:
            return partial(delete_living, collection, self._chance.random())
        draft = deletion_of(shown.record)
        return partial(send_draft, only_over(shown.record, draft) if self._chance.random() < 0.2 else draft, b"")

    def _draft(self, collection: str, key: str, text: str, shown: Shown | None) -> Job:
        """Return the sending of a draft that was made from what a client was shown."""
        chance = self._chance
        record, held_body = shown if shown is not None else (None, b"")
        living = record is not None and not record.dead
        if kind_of(collection).rule is MergeRule.FIELDS:
            names = chance.sample(("name", "flags", "text"), chance.randint(1, 2))
            draft = draft_over(record, collection, key, head=pack_head(dict.fromkeys(names, text)))
            body = b""
        else:
            body = text_of(chance, key, text, held_body if living else None)
            draft = draft_over(record, collection, key, body=body, held_body=held_body)
            if chance.random() < 0.3:
                draft.changed = ()  # a client that does not tell
        if chance.random() < 0.15:
            draft = only_over(record, draft)
        return partial(send_draft, draft, body)


# -- jobs, each a transaction -------------------------------------------------------------------------


def knowing_edit(chance: random.Random, collection: str, key: str, text: str, overwriting: bool) -> Job:
    """Return an edit of what is there, by someone who sees it; ``overwriting`` as clients of 0.1.0 do, unseen."""
    if kind_of(collection).rule is MergeRule.FIELDS:
        name = chance.choice(("name", "flags", "text"))
        if overwriting:
            return partial(overwrite, Record(collection, key, 1, "x", 1, head=pack_head({name: text})))
        return lambda writer: (Deed(writer.set_fields(collection, key, {name: text})),)
    draft = Record(collection, key, 1, "x", 1)
    if is_item(draft) and not overwriting:
        name, value = a_property(chance, text)
        return lambda writer: (Deed(writer.put(_with_property(writer, draft, name, value))),)
    body = text_of(chance, key, text, None)

    def put(writer: Writer) -> tuple[Deed, ...]:
        made = writer.store_body(draft, body)
        return overwrite(made, writer) if overwriting else (Deed(writer.put(made)),)

    return put


def overwrite(draft: Record, writer: Writer) -> tuple[Deed, ...]:
    """Write without a base: whoever does so has seen nothing but what this node wrote."""
    made = writer.overwrite(draft).record
    return () if made is None else (Deed(made, {made.origin: made.stamp}),)


def delete_living(collection: str, which: float, writer: Writer) -> tuple[Deed, ...]:
    """Delete something that is there."""
    living = [record.key for record in writer.scan_all(collection)]
    dead = writer.delete(collection, living[int(which * len(living))]) if living else None
    return (Deed(dead),) if dead is not None else ()


def send_draft(draft: Draft, body: bytes, writer: Writer) -> tuple[Deed, ...]:
    """Send a draft as it is; what it insists on has to be so."""
    sent = draft
    if len(body) > INLINE_LIMIT:
        kept = writer.store_body(Record(draft.collection, draft.key, 1, "x", 1), body)
        sent = msgspec.structs.replace(draft, body=b"", content=kept.content, size=kept.size)
    held = writer.get(draft.collection, draft.key)
    result = writer.write(sent)
    if draft.only_if is not None and draft.only_if != (0 if held is None else record_crc(held)):
        raise AssertionError(f"{draft.collection} {draft.key} was written over another version than it insists on")
    seen = draft.base.vector if draft.base is not None else {}
    made = result.record if result.applied.written else None
    held_already = result.record if result.applied.already_held else None
    return (Deed(made, seen, Said(draft, body), held_already),)


def settle_conflict(how: str, which: float, writer: Writer) -> tuple[Deed, ...]:
    """Resolve a conflict as an administrator does, in one of three ways."""
    found = writer.conflicts(limit=20)
    if not found:
        return ()
    conflict = found[int(which * len(found))]
    if how == "restore":
        seen = _seen_in(writer, conflict)
        return (Deed(writer.restore(conflict.number), seen),)
    if how == "dismiss":
        made = writer.dismiss(conflict.number)
        return (Deed(made),) if made is not None else ()
    copy = writer.keep_both(conflict.number)
    living = writer.get(conflict.loser.collection, conflict.loser.key)
    return Deed(copy), *([Deed(living)] if living is not None and not living.dead else [])


def _seen_in(writer: Writer, conflict: Conflict) -> dict[str, int] | None:
    """Return what somebody has seen who is shown a conflict; who brings back what is gone sees that it is."""
    current = writer.get(conflict.loser.collection, conflict.loser.key)
    if current is None or current.dead:
        return None
    return joint_base(Base(*conflict.winner, conflict.winner_past), base_of(conflict.loser)).vector


# -- texts --------------------------------------------------------------------------------------------


def text_of(chance: random.Random, key: str, text: str, held: bytes | None) -> bytes:
    """Return what is to be under a key: of an item, the one ``held`` with one property changed."""
    if key.startswith("euid:"):
        return with_property(held, key, *a_property(chance, text))
    if split_key(key)[0] == SHARED_ID:
        text = chance.choice((text, "the same", "the same as well"))
    else:
        text *= 400 if chance.random() < 0.1 else 1
    return message_of(chance.choice(AUTHORS), key, text) if key.startswith("id:") else text.encode()


def message_of(author: str, subject: str, text: str) -> bytes:
    """Return a message as Citadel keeps it."""
    return b"\xffA\0" + f"A{author}\0U{subject}\0M{text}\0".encode()


def a_property(chance: random.Random, text: str) -> tuple[str, str]:
    name = chance.choice(("SUMMARY", "LOCATION", "DTSTART", "SEQUENCE"))
    return name, str(chance.randint(0, 3)) if name == "SEQUENCE" else text


def with_property(held: bytes | None, key: str, name: str, value: str) -> bytes:
    """Return an item with one property changed, or a new one."""
    item = find_item(held) if held is not None else None
    kept = [f"UID:{key}", "SEQUENCE:0", "SUMMARY:new"]
    if item is not None:
        kept = [line.text for line in item.component.inside[0].lines if line.name != name]
    return EVENT.format(lines="\n".join([*kept, f"{name}:{value}"])).encode()


def _with_property(writer: Writer, draft: Record, name: str, value: str) -> Record:
    current = writer.get(draft.collection, draft.key)
    held = writer.body(current) if current is not None and not current.dead else None
    return writer.store_body(draft, with_property(held, draft.key, name, value))
