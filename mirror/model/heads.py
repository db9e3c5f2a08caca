"""How the head of an item's record keeps who wrote which part, and what of the parts the text does not show.

Under EDITS a map of part names to ``[sequence, modified, stamp, origin]`` and, as far as is needed: what a part holds
where the text shows something else or nothing; whether it was taken out though the text shows it; the edit that it was
written under, as four elements, where that is not the present one.  The name "" stands for all that are not named; its
fifth element tells into how many parts the properties of a component are put, where there are very many, its seventh
the edit of those parts of a card that only its version knows how to write.  Under NAMES are names, and places of
components, by those that the text alone would give them.

Heads of 0.1.0 have another map: see mirror.model.old_heads.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from mirror.model.cards import is_sure
from mirror.model.edits import NEVER, Edit, Part
from mirror.model.errors import BadRecord
from mirror.model.item import Rank
from mirror.model.limits import ALARMS, IDENTITIES, MAX_INT, PROPERTIES, by_class, check_names
from mirror.model.names import AROUND_ITEM, ENCODING, FEW_SHARES, MANY_SHARES, MESSAGE, SETTLED, class_of, outlives
from mirror.model.naming import reads_as
from mirror.model.record import MAX_ORIGIN, Record, pack_head, unpack_head

EDITS = "edits"
WRITTEN = "written"
"""Where 0.1.0 kept the same; nothing is written there any more."""
NAMES = "names"
MAX_NAMES = PROPERTIES.count + ALARMS.count + IDENTITIES.count
"""Parts, and components, whose names a head keeps: as many as there are that may be edited."""
STAMP, ORIGIN = 2, 3
"""Where an edit has them."""
_SHARES = tuple(str(shares).encode() for shares in (FEW_SHARES, MANY_SHARES))

Plain = tuple[int, int, int, str]
"""An edit as a head has it: sequence, modified, stamp, origin."""


class Said(msgspec.Struct, array_like=True, frozen=True):
    """One part's edit; ``hidden`` is what it holds, ``gone`` that it holds nothing, where the text says otherwise."""

    sequence: int
    modified: int
    stamp: int
    origin: str
    hidden: bytes | None = None
    gone: bool = False
    written_under: Plain | None = None

    @property
    def edit(self) -> Edit:
        return Edit(Rank(self.sequence, self.modified), self.stamp, self.origin)

    @property
    def under(self) -> Edit | None:
        if self.written_under is None:
            return None
        sequence, modified, stamp, origin = self.written_under
        return Edit(Rank(sequence, modified), stamp, origin)

    @property
    def shares(self) -> int:
        """Of what stands for all parts: in how many parts the properties of each component are."""
        return int(self.hidden) if self.hidden in _SHARES else 0

    def holds(self, shown: bytes | None) -> bytes | None:
        """Return what the part holds, of which the text shows this."""
        if self.gone:
            return None
        return shown if self.hidden is None else self.hidden


class Head(msgspec.Struct, frozen=True):
    """A head taken apart: what it says besides, the edits by part, names; ``old`` are edits as 0.1.0 kept them."""

    rest: bytes
    said: dict[str, Said]
    names: dict[str, str]
    old: Any = None


_decode_said = msgspec.msgpack.Decoder(dict[str, Said]).decode
_decode_names = msgspec.msgpack.Decoder(dict[str, str]).decode
_encode = msgspec.msgpack.Encoder().encode


def read_head(record: Record) -> Head:
    """Return a head taken apart.  Raises BadRecord."""
    rest = unpack_head(record.head)
    old, edits, names = (rest.pop(key, None) for key in (WRITTEN, EDITS, NAMES))
    try:
        said = {} if edits is None else _decode_said(_encode(edits))
        named = {} if names is None or edits is None else _decode_names(_encode(names))
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeError) as error:
        raise BadRecord(f"record {record.collection} {record.key!r}: who wrote its parts: {error}") from None
    return Head(pack_head(rest), said, named, old if edits is None else None)


def said(part: Part, base: Edit, shown: bytes | None, under: Edit) -> list[Any] | None:
    """Return how a head keeps a part; None where nothing needs to be kept.

    The text shows ``shown`` of it, and it would have been written under ``under``.
    """
    told: list[Any] = list(plain(part.edit))
    hidden, gone = (None, False) if part.holds == shown else (part.holds, part.holds is None)
    if part.holds is not None and part.under != under:
        return [*told, hidden, gone, plain(part.under)]
    if gone:
        return [*told, None, True]
    if hidden is not None:
        return [*told, hidden]
    return None if part.edit == base else told


def plain(edit: Edit) -> Plain:
    """Return an edit as a head has it."""
    return (edit.rank.sequence, edit.rank.modified, edit.stamp, edit.origin)


def packed(
    rest: bytes, bases: tuple[Edit, Edit | None], shares: int, told: Mapping[str, list[Any]], names: Mapping[str, str]
) -> bytes:
    """Return a head that says this besides, and of the parts that; ``shares`` as in naming.named."""
    base, fixed = bases
    whole: list[Any] = [*plain(base), *([str(shares).encode()] if shares else [])]
    if fixed is not None:
        whole = [*plain(base), str(shares).encode() if shares else None, False, plain(fixed)]
    head = {**unpack_head(rest), EDITS: {"": whole, **dict(sorted(told.items()))}}
    return pack_head({**head, NAMES: dict(sorted(names.items()))} if names else head)


def edits_in(head: dict[str, Any]) -> Iterator[list[Any]]:
    """Yield the parts' edits in a head that was unpacked, as lists that may be changed."""
    for key in (EDITS, WRITTEN):
        for edit in head.get(key, {}).values():
            yield edit
            if len(edit) > 6:
                edit[6] = list(edit[6])
                yield edit[6]


def without_edits(head: bytes) -> bytes:
    """Return a head without what it says of the parts' edits."""
    rest = unpack_head(head)
    for key in (EDITS, WRITTEN, NAMES):
        rest.pop(key, None)
    return pack_head(rest)


# -- what every node takes ----------------------------------------------------------------------------


def check_edits(record: Record, head: Head) -> None:
    """Raise BadRecord when a head speaks of edits later than its record, which would win for ever, or of no text."""
    where = f"record {record.collection} {record.key[:80]!r}"
    if {EDITS, WRITTEN} <= unpack_head(record.head).keys():
        raise BadRecord(f"{where}: its head says twice who wrote its parts")
    check_said(record, head.said, where)
    for name, one in head.said.items():
        if one.hidden is not None:
            _check_hidden(name, one.hidden, f"{where}: its part {name[:40]!r}")
    check_names([*head.names, *head.names.values()], where)
    if len(head.names) > MAX_NAMES or len(set(head.names.values())) < len(head.names):
        raise BadRecord(f"{where}: it names more than {MAX_NAMES} parts, or two alike")


def check_said(record: Record, told: Mapping[str, Said], where: str, ordered: bool = True) -> None:
    """Raise BadRecord when edits are too many or later than their record; ``ordered``, or earlier than its first."""
    check_names(told, where)
    for class_, names in by_class(told.keys() - {""}, class_of).items():
        if len(names) > class_.count:
            raise BadRecord(f"{where}: {len(names)} {class_.holds} are over the limit of {class_.count}")
    if told and "" not in told:
        raise BadRecord(f"{where}: it does not say who wrote the parts that are not named")
    for name, one in told.items():
        _check_edit(record, one, f"{where}: its part {name[:40]!r}")
        first = told[""].edit if is_sure(name) else (told[""].under or told[""].edit)
        if ordered and one.edit < first and not outlives(name):
            raise BadRecord(f"{where}: its part {name[:40]!r} is earlier than all that is not named")


def _check_edit(record: Record, one: Said, where: str) -> None:
    for edit in (one.edit, *([one.under] if one.under not in (None, NEVER) else [])):
        if edit is None or not 0 < edit.stamp <= record.stamp:
            raise BadRecord(f"{where} is later than itself")
        if not 0 < len(edit.origin) <= MAX_ORIGIN:
            raise BadRecord(f"{where} has an origin of {len(edit.origin)} characters")
        if not (0 <= edit.rank.sequence <= MAX_INT and 0 <= edit.rank.modified <= MAX_INT):
            raise BadRecord(f"{where} has a rank out of range")


def _check_hidden(name: str, text: bytes, where: str) -> None:
    """Raise BadRecord unless a part that no text shows would be read as one where it is shown again."""
    if not name:
        if text not in _SHARES:
            raise BadRecord(f"{where} speaks of other shares than there are")
        return
    if len(text) > class_of(name).size:
        raise BadRecord(f"{where} has more than {class_of(name).size} bytes")
    is_text = name in AROUND_ITEM or (b"\r\n" not in text + b"\n" and reads_as(name, text))
    could_be_shown = name == ENCODING or (is_text and b"\0" not in text)
    if name == MESSAGE or name.startswith(SETTLED) or not could_be_shown:
        raise BadRecord(f"{where} is none that could be hidden")
