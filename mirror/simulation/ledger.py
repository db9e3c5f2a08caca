"""What users were told is written, and the proof afterwards that none of it is missing and nothing came back."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from mirror.model.fields import Field, unpack_fields
from mirror.model.kinds import MergeRule, kind_of
from mirror.model.merge import is_item
from mirror.model.parts import Edit, Part, is_noticed, read_parts
from mirror.model.record import Record, covers

Thing = tuple[str, str]
"""Collection and key."""


class Write(NamedTuple):
    """An acknowledged write: where, when (virtual milliseconds), what."""

    node: str
    at: int
    record: Record

    @property
    def thing(self) -> Thing:
        return self.record.collection, self.record.key


class Ledger:
    """Collects what was acknowledged, and checks it against where it all ended."""

    def __init__(self) -> None:
        self.writes: list[Write] = []
        self._known: defaultdict[Thing, list[Record]] = defaultdict(list)
        self._written: defaultdict[Thing, list[Record]] = defaultdict(list)
        self._logged: defaultdict[Thing, list[Record]] = defaultdict(list)
        self._restored: list[tuple[str, int]] = []

    def acknowledged(self, node: str, at: int, record: Record) -> None:
        self.writes.append(Write(node, at, record))
        self.happened(record)

    def happened(self, record: Record) -> None:
        """Note a version that exists, though its writer may never have heard so."""
        self._known[record.collection, record.key].append(record)
        self._written[record.collection, record.key].append(record)

    def logged(self, loser: Record) -> None:
        """Note what a conflict log holds."""
        self._logged[loser.collection, loser.key].append(loser)

    def restored(self, node: str, backup_taken: int) -> None:
        """Note that a node went back to a backup: what it alone had written since may be gone."""
        self._restored.append((node, backup_taken))

    def problems(self, final: dict[Thing, Record]) -> Iterator[str]:
        """Yield what is missing or came back, given what all nodes hold in the end."""
        for thing, record in final.items():
            self._known[thing].append(record)
        for write in self.writes:
            if write.record.dead:
                yield from self._revived(write, final)
            elif not self._accounted(write.record, final) and not self._excused(write):
                yield f"acknowledged at {write.node} and missing: {_name(write.record)}"

    def _excused(self, write: Write) -> bool:
        return any(node == write.node and write.at >= taken for node, taken in self._restored)

    def _accounted(self, record: Record, final: dict[Thing, Record]) -> bool:
        thing = (record.collection, record.key)
        if kind_of(record.collection).rule is MergeRule.FIELDS:
            return all(
                self._field_accounted(record, name, field, final)
                for name, field in unpack_fields(record).items()
                if (field.stamp, field.origin) == record.version
            )
        if is_item(record):
            return all(
                self._part_accounted(record, name, part, final)
                for name, part in read_parts(record, record.body).named.items()
                if (part.edit.stamp, part.edit.origin) == record.version and is_noticed(name)
            )
        if final.get(thing) == record:
            return True
        if any(other != record and covers(other, record) for other in self._known[thing]):
            return True
        return any((loser.body, loser.content) == (record.body, record.content) for loser in self._logged[thing])

    def _field_accounted(self, record: Record, name: str, field: Field, final: dict[Thing, Record]) -> bool:
        thing = (record.collection, record.key)
        held = final.get(thing)
        if held is not None and not held.dead and unpack_fields(held).get(name) == field:
            return True
        if self._said_again(thing, name, field):
            return True  # nothing is lost where somebody else's later version says the same; that one is checked too
        for other in self._known[thing]:
            replaced = other.dead or unpack_fields(other).get(name, field).stamp > field.stamp
            if other.version != record.version and replaced and self._saw(other, name, record):
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
        for other in [*self._written[thing], *deletions]:
            if other.version == record.version:
                continue
            later = _part(other, name) if not other.dead else None
            if other.era > record.era:
                knowingly = covers(other, record)
            else:
                knowingly = later is not None and later.edit > part.edit and self._wrote(later.edit, record)
            # Who says the same again, later, takes nothing away either; that version is looked for as well.
            again = (
                later is not None and (other.era, later.edit) > (record.era, part.edit) and later.holds == part.holds
            )
            if knowingly or again:
                return True
        return False

    def _wrote(self, edit: Edit, record: Record) -> bool:
        """Tell whether who made an edit had seen ``record``."""
        writers = [one.record for one in self.writes if one.record.version == (edit.stamp, edit.origin)]
        return any(covers(writer, record) for writer in writers) or not writers

    def _said_again(self, thing: Thing, name: str, field: Field) -> bool:
        later = (unpack_fields(other).get(name) for other in self._known[thing] if not other.dead)
        return any(same is not None and same.value == field.value and same[1:] > field[1:] for same in later)

    def _saw(self, other: Record, name: str, record: Record) -> bool:
        """Tell whether who wrote that field in ``other`` had seen ``record``."""
        if other.dead:
            return covers(other, record)
        field = unpack_fields(other)[name]
        writers = [
            write.record
            for write in self.writes
            if (write.record.stamp, write.record.origin) == (field.stamp, field.origin)
        ]
        return any(covers(writer, record) for writer in writers) or not writers

    def _revived(self, write: Write, final: dict[Thing, Record]) -> Iterator[str]:
        dead = write.record
        held = final.get((dead.collection, dead.key))
        if held is None or held.dead or self._excused(write):
            return
        if held.born == 1 and any(not other.dead and other.stamp > dead.stamp for other in self._known[write.thing]):
            return  # filed anew by someone who knew of no deletion: one incarnation, in which SEQUENCE decides
        deleted = [other for other in self._known[held.collection, held.key] if not other.dead and covers(dead, other)]
        if held in deleted or (held.born > 1 and any(other.born == held.born for other in deleted)):
            yield f"deleted at {write.node} and back: {_name(held)} (deleted at stamp {dead.stamp})"


def _part(record: Record, name: str) -> Part:
    return read_parts(record, record.body).get(name)


def _name(record: Record) -> str:
    return f"{record.collection} {record.key} stamp {record.stamp} born {record.born} of {record.origin}"
