"""What users were told is written, and the proof afterwards that none of it is missing and nothing came back."""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from mirror.model.draft import Draft
from mirror.model.edits import Edit, Part
from mirror.model.fields import MARK, Field, unpack_fields
from mirror.model.keys import filed_key, split_key
from mirror.model.kinds import MergeRule, kind_of
from mirror.model.merge import inline_body, is_item
from mirror.model.names import is_noticed
from mirror.model.nodes import Vector, node_of
from mirror.model.parts import read_parts
from mirror.model.record import Past, Record, Version, covers, unpack_head, vector_of
from mirror.model.stamp import make_stamp, stamp_ms
from mirror.model.texts import ANY, is_message, named_text, naming, own_text, stands_for_any, text_of

Thing = tuple[str, str]
"""Collection and key."""
REPAIRED_MS = 60_000
"""A stamp that was so many milliseconds ahead was written anew when the clock was repaired."""


def by_text(record: Record) -> Record:
    """Return a message as it is filed by its text, whichever of its id has the plain key; all else as it is."""
    if not is_message(record):
        return record
    key = filed_key(split_key(record.key)[0], text_of(record, lambda one: own_text(one, inline_body)))
    return msgspec.structs.replace(record, key=key, head=naming(record.head, ""))


class Said(NamedTuple):
    """What a draft said, with its body wherever it was sent."""

    draft: Draft
    body: bytes


class Deed(NamedTuple):
    """What one write of a user made.

    ``record`` is the version that it made, None where it made none: it lost at once, or all that it says was ``held``.
    ``seen`` is what its author had seen, None for all that the version has.
    """

    record: Record | None
    seen: Vector | None = None
    said: Said | None = None
    held: Record | None = None

    def saw(self, record: Record) -> bool:
        """Tell whether its author had seen a version."""
        if self.seen is not None:
            return self.seen.get(record.origin, 0) >= record.stamp
        return self.record is not None and covers(self.record, record)


class Write(NamedTuple):
    """An acknowledged write: where, when (virtual milliseconds), what."""

    node: str
    at: int
    deed: Deed


class Ledger:
    """Collects what was acknowledged, and checks it against where it all ended."""

    def __init__(self, name_of: Callable[[str], str] = str) -> None:
        """``name_of`` returns under which name a collection is kept here, where servers have names of their own."""
        self._name_of = name_of
        self.writes: list[Write] = []
        self._known: defaultdict[Thing, list[Record]] = defaultdict(list)
        self._written: defaultdict[Thing, list[Record]] = defaultdict(list)
        self._authors: defaultdict[Version, list[Deed]] = defaultdict(list)
        self._logged: defaultdict[Thing, list[Record]] = defaultdict(list)
        self._logged_at: defaultdict[str, list[Record]] = defaultdict(list)
        self._winners: dict[tuple[str, str, Version], Version] = {}
        self._once: defaultdict[Thing, list[Record]] = defaultdict(list)
        self._restored: list[tuple[str, int]] = []
        self._repaired: set[str] = set()
        self._renamed: dict[str, int] = {}
        self.revivals = True
        """Whether it is a fault that something deleted is back."""
        self.strangers = False
        """Whether others write as well, who say themselves what they have seen."""

    def acknowledged(self, node: str, at: int, deed: Deed) -> None:
        self.writes.append(Write(node, at, self.happened(deed)))

    def happened(self, deed: Deed) -> Deed:
        """Note what was written, though its writer may never have heard so; returns it under the names used here."""
        if deed.record is not None:
            deed = deed._replace(record=self._named(deed.record))
        if deed.said is not None:
            draft = deed.said.draft
            key = filed_key(draft.key, named_text(draft.head)) if draft.dead and draft.head else draft.key
            named = msgspec.structs.replace(draft, collection=self._name_of(draft.collection), key=key)
            deed = deed._replace(said=deed.said._replace(draft=named))
        record = deed.record
        if record is not None:
            self._known[record.collection, record.key].append(record)
            self._written[record.collection, record.key].append(record)
            self._authors[record.version].append(deed)
        return deed

    def was_written(self, record: Record, version: Version) -> bool:
        """Tell whether any user wrote that version of what a record is of, or of another message of its id.

        A record that is the version itself, with another text than was written, is an invention.
        """
        named = self._named(record)
        whole = record.version == version and not record.dead

        def thing(one: Record) -> Thing:
            return one.collection, one.key if whole else split_key(one.key)[0]

        made = (deed.record for deed in self._authors.get(version, []))
        return any(one is not None and thing(one) == thing(named) for one in made)

    def _named(self, record: Record) -> Record:
        name = self._name_of(record.collection)
        return by_text(record if name == record.collection else msgspec.structs.replace(record, collection=name))

    def logged(self, node: str, loser: Record, winner: Version | None = None, winner_past: Past = ()) -> None:
        """Note what a node's conflict log holds."""
        loser = self._named(loser)
        if winner is not None:
            self._winners[loser.collection, loser.key, loser.version] = winner
            won = Record(loser.collection, loser.key, *winner, 1, past=winner_past)
            self._once[loser.collection, loser.key].append(won)
        self._logged[loser.collection, loser.key].append(loser)
        self._logged_at[node].append(loser)

    def met(self, records: Iterable[Record]) -> None:
        """Note what a node holds now; soon it may be replaced by what strangers say has not seen it."""
        for record in map(self._named, records):
            self._once[record.collection, record.key].append(record)

    def restored(self, node: str, backup_taken: int) -> None:
        """Note that a node went back to a backup: what it alone had written since may be gone."""
        self._restored.append((node, backup_taken))

    def repaired(self, node: str) -> None:
        """Note that a node wrote anew what it had written at a time that had not come."""
        self._repaired.add(node)

    def renamed(self, node: str, since_ms: int) -> None:
        """Note that what a node stamped since a moment bears another name: its machine was copied then, or put back."""
        self._renamed[node] = since_ms

    def _is_written_anew(self, write: Write, record: Record) -> bool:
        """Tell whether a version has another stamp or origin now than its writer was told."""
        repaired = write.node in self._repaired and stamp_ms(record.stamp) > write.at + REPAIRED_MS
        return repaired or (write.node in self._renamed and record.stamp > make_stamp(self._renamed[write.node]))

    def problems(self, held: Mapping[Thing, Record], nodes: Container[str] | None = None) -> Iterator[str]:
        """Yield what is missing or came back, given what all nodes hold in the end, or just some ``nodes``."""
        final = {(one.collection, one.key): one for one in map(self._named, held.values())}
        for thing, record in final.items():
            self._known[thing].append(record)
        for write in self.writes:
            if nodes is None or write.node in nodes:
                yield from self._problems_with(write, final)

    def _problems_with(self, write: Write, final: dict[Thing, Record]) -> Iterator[str]:
        record = write.deed.record
        if record is not None and self._is_written_anew(write, record):
            replaced = self.strangers and self._seen_by_others(record)
            if not replaced and not self._says_still(record, final) and not self._excused(write):
                yield f"written anew at {write.node}, and missing since: {_name(record)}"
            return
        if write.deed.said is not None:
            yield from self._unsaid(write, write.deed.said, final)
        if record is not None and record.dead:
            yield from self._revived(write, record, final)
        elif record is not None and not self._accounted(record, final) and not self._excused(write):
            yield f"acknowledged at {write.node} and missing: {_name(record)}"

    def _excused(self, write: Write) -> bool:
        return any(node == write.node and write.at >= taken for node, taken in self._restored)

    def _says_still(self, record: Record, final: dict[Thing, Record]) -> bool:
        """Tell whether anybody says what a version said, whenever; or that was replaced by who wrote later."""
        thing = (record.collection, record.key)
        if record.dead or any(other.stamp > record.stamp for other in self._written[thing]):
            return True
        shown = [*([final[thing]] if thing in final else []), *self._logged[thing]]
        if any(one.dead for one in [*shown, *self._of_any(record)]):
            return True
        if kind_of(record.collection).rule is MergeRule.FIELDS:
            own = {name: field for name, field in unpack_fields(record).items() if field.stamp == record.stamp}
            return all(any(_says(one, name, field.value) for one in shown) for name, field in own.items())
        if is_item(record):
            own_parts = read_parts(record, record.body).named.items()
            return all(
                any(_part(one, name).holds == part.holds for one in shown)
                for name, part in own_parts
                if part.edit.stamp == record.stamp and is_noticed(name)
            )
        return any((one.body, one.content) == (record.body, record.content) for one in shown)

    # -- what drafts said -------------------------------------------------------------------------

    def _unsaid(self, write: Write, said: Said, final: dict[Thing, Record]) -> Iterator[str]:
        """Yield what an acknowledged draft said that is neither in the version it made nor in that node's log."""
        draft, made = said.draft, write.deed.record
        if draft.dead:
            held, base = final.get((draft.collection, draft.key)), draft.base
            there = self.revivals and held is not None and not held.dead and base is not None and base.covers(held)
            if there and held is not None and not self._excused(write):
                yield f"a draft deleted at {write.node}, and it is there still: {_name(held)}"
            return
        logged = [
            loser
            for loser in self._logged_at[write.node]
            if (loser.collection, split_key(loser.key)[0]) == (draft.collection, split_key(draft.key)[0])
            and not loser.dead
        ]
        shown = [*(one for one in (made, write.deed.held) if one is not None and not one.dead), *logged]
        if kind_of(draft.collection).rule is MergeRule.FIELDS:
            values = unpack_head(draft.head)
            lost = [name for name in values if not any(_says(one, name, values[name]) for one in shown)]
        elif draft.key.startswith("euid:"):
            alone = Record(draft.collection, draft.key, 1, "x", 1, head=draft.head, body=said.body)
            names = draft.changed or read_parts(alone, said.body).named
            lost = [
                name
                for name in names
                if is_noticed(name) and not any(_part(one, name).holds == _part(alone, name).holds for one in shown)
            ]
        else:
            same = any(one.body == draft.body and (not draft.content or one.content) for one in shown)
            lost = [] if same else ["its text"]
        for name in lost:
            yield f"a draft was acknowledged at {write.node}, and of it is missing {name!r}: {draft}"

    # -- what versions say ------------------------------------------------------------------------

    def _accounted(self, record: Record, final: dict[Thing, Record]) -> bool:
        thing = (record.collection, record.key)
        if self.strangers and self._seen_by_others(record):
            return True  # whether that is so is for the stranger to say
        if self.strangers and any(other.dead and other.born == record.stamp for other in self._known[thing]):
            return True  # deleted by who had seen it under an origin that a stranger gave it: a birth tells the stamp
        if kind_of(record.collection).rule is MergeRule.FIELDS:
            return all(
                self._field_accounted(record, name, field, final)
                for name, field in unpack_fields(record).items()
                if (field.stamp, field.origin) == record.version and not name.startswith(MARK)
            )
        if is_item(record):
            return all(
                self._part_accounted(record, name, part, final)
                for name, part in read_parts(record, record.body).named.items()
                if (part.edit.stamp, part.edit.origin) == record.version and is_noticed(name)
            )
        if final.get(thing) == record:
            return True
        if any(other != record and covers(other, record) for other in [*self._known[thing], *self._of_any(record)]):
            return True
        text = (record.body, record.content)
        logged = (loser for loser in self._logged[thing] if (loser.body, loser.content) == text)
        if any(not self._lost_to_namesake(loser) for loser in logged):
            return True
        # Nothing is lost where somebody else's later version says the same; that one is checked too.
        return any(
            not other.dead and (other.body, other.content) == text and _rank(other) > _rank(record)
            for other in self._known[thing]
        )

    def _seen_by_others(self, record: Record) -> bool:
        """Tell whether any version that was met says that it has seen this one, those included that are gone since.

        A stranger may have copied it under an origin of its own, which then is what others have seen.
        """
        thing = record.collection, record.key
        met = [one for one in [*self._known[thing], *self._logged[thing]] if one != record]
        once = [one for one in self._once[thing] if one.version != record.version]
        return any(covers(one, record) or self._saw_a_copy(one, record) for one in [*met, *once])

    def _saw_a_copy(self, other: Record, record: Record) -> bool:
        """Tell whether a version has seen one of just this stamp that is of none of the nodes."""
        nodes = {write.node for write in self.writes}
        return any(stamp == record.stamp and node_of(one) not in nodes for one, stamp in vector_of(other).items())

    def _of_any(self, record: Record) -> list[Record]:
        """Return the deletions of whatever has a message's id whose authors had seen it.

        Of those that a user's client sent that is what it said: not all that its node wrote before.
        """
        thing = record.collection, filed_key(split_key(record.key)[0], ANY)
        if not is_message(record):
            return []
        return [one for one in self._known[thing] if one.dead and self._knew(one.version, record)]

    def _lost_to_namesake(self, loser: Record) -> bool:
        """Tell whether a message lost to another one of its id, which never is to happen: both are kept."""
        winner = self._winners.get((loser.collection, loser.key, loser.version))
        if winner is None or not is_message(loser):
            return False
        plain = split_key(loser.key)[0]
        return any(
            one.collection == loser.collection
            and split_key(one.key)[0] == plain
            and one.key != loser.key
            and not (one.dead and stands_for_any(one.key))  # a deletion, of this message as well
            for deed in self._authors.get(winner, [])
            if (one := deed.record) is not None
        )

    def _field_accounted(self, record: Record, name: str, field: Field, final: dict[Thing, Record]) -> bool:
        thing = (record.collection, record.key)
        held = final.get(thing)
        if held is not None and not held.dead and unpack_fields(held).get(name) == field:
            return True
        if self._said_again(thing, name, field):
            return True  # nothing is lost where somebody else's later version says the same; that one is checked too
        for other in self._known[thing]:
            whole = other.era > record.era  # a deletion, or what was made anew behind one
            later = field if whole else unpack_fields(other).get(name, field)
            if other.version == record.version or not (whole or later.stamp > field.stamp):
                continue
            if covers(other, record) if whole else self._knew(Version(later.stamp, later.origin), record):
                return True
        return any(unpack_fields(loser).get(name) == field for loser in self._logged[thing] if not loser.dead)

    def _part_accounted(self, record: Record, name: str, part: Part, final: dict[Thing, Record]) -> bool:
        thing = (record.collection, record.key)
        held = final.get(thing)
        shown = [*([held] if held is not None else []), *self._logged[thing]]
        if any(_part(other, name) == part for other in shown if not other.dead):
            return True
        # A merged version says that it has seen both sides, so only who wrote a version tells who knew of this one.
        deletions = [held] if held is not None and held.dead else []
        for other in self._known[thing] if self.strangers else [*self._written[thing], *deletions]:
            if other.version == record.version:
                continue
            later = _part(other, name) if not other.dead else None
            if other.era > record.era:
                knowingly = covers(other, record)
            else:
                knowingly = later is not None and later.edit > part.edit and self._knew(_version(later.edit), record)
            # Who says the same again, later, takes nothing away either; that version is looked for as well.
            again = (
                later is not None and (other.era, later.edit) > (record.era, part.edit) and later.holds == part.holds
            )
            if knowingly or again:
                return True
        return False

    def _knew(self, version: Version, record: Record) -> bool:
        """Tell whether who wrote a version had seen ``record``; of whom nothing is known, that is taken for granted."""
        authors = self._authors.get(version, [])
        return any(deed.saw(record) for deed in authors) or not authors

    def _said_again(self, thing: Thing, name: str, field: Field) -> bool:
        later = (unpack_fields(other).get(name) for other in self._known[thing] if not other.dead)
        return any(same is not None and same.value == field.value and same[1:] > field[1:] for same in later)

    # -- what was deleted -------------------------------------------------------------------------

    def _revived(self, write: Write, dead: Record, final: dict[Thing, Record]) -> Iterator[str]:
        thing = (dead.collection, dead.key)
        held = final.get(thing)
        if held is None or held.dead or self._excused(write) or not self.revivals:
            return
        living = [other for other in self._known[thing] if not other.dead]
        if held.born == 1 and any(
            other.stamp > dead.stamp or (covers(held, other) and not covers(dead, other)) for other in living
        ):
            return  # filed by someone who knew of no deletion: one incarnation, in which SEQUENCE decides
        deleted = [other for other in self._known[thing] if not other.dead and covers(dead, other)]
        if held in deleted or (held.born > 1 and any(other.born == held.born for other in deleted)):
            yield f"deleted at {write.node} and back: {_name(held)} (deleted at stamp {dead.stamp})"


def _rank(record: Record) -> tuple[tuple[int, bool], Version]:
    return record.era, record.version


def _says(record: Record, name: str, value: object) -> bool:
    field = unpack_fields(record).get(name)
    return field is not None and field.value == value


def _version(edit: Edit) -> Version:
    return Version(edit.stamp, edit.origin)


def _part(record: Record, name: str) -> Part:
    return read_parts(record, record.body).get(name)


def _name(record: Record) -> str:
    return f"{record.collection} {record.key} stamp {record.stamp} born {record.born} of {record.origin}"
