"""How the head of an item's record keeps who wrote which part, and what of the parts the text does not show.

Under EDITS a map of part names to ``[sequence, modified, stamp, origin]``; a fifth element is what a part holds where
the text shows something else or nothing, a sixth says that a part that the text shows was taken out.  The name ""
stands for all that are not named.  Heads of 0.1.0 have such a map under WRITTEN, with unfolded text.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from mirror.model.content_lines import raw_line
from mirror.model.edits import Edit, Part
from mirror.model.errors import BadRecord
from mirror.model.item import Rank
from mirror.model.limits import by_class, check_names
from mirror.model.naming import AROUND_ITEM, ENCODING, FEW_SHARES, MANY_SHARES, MESSAGE, SUBJECT, class_of, is_read_as
from mirror.model.record import MAX_ORIGIN, Record, pack_head, unpack_head

EDITS = "edits"
WRITTEN = "written"
"""Where 0.1.0 kept the same; nothing is written there any more."""
STAMP, ORIGIN = 2, 3
"""Where an edit has them."""


class Said(msgspec.Struct, array_like=True, frozen=True):
    """One part's edit; ``hidden`` is what it holds, ``gone`` that it holds nothing, where the text says otherwise."""

    sequence: int
    modified: int
    stamp: int
    origin: str
    hidden: Any = None
    gone: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.hidden, bytes | str | None):
            raise TypeError("what a part holds is text")

    @property
    def edit(self) -> Edit:
        return Edit(Rank(self.sequence, self.modified), self.stamp, self.origin)

    @property
    def shares(self) -> int:
        """Of what stands for all parts: in how many parts the properties of each component are."""
        return int(self.hidden) if self.hidden in _SHARES else 0

    def holds(self, name: str, shown: bytes | None) -> bytes | None:
        """Return what the part of that name holds, of which the text shows this.  Raises UnicodeError."""
        if self.gone:
            return None
        if not isinstance(self.hidden, str):
            return shown if self.hidden is None else self.hidden
        if name == SUBJECT:
            return self.hidden.encode("latin-1")
        return b"\n".join(raw_line(line) for line in self.hidden.split("\n"))


_SHARES = tuple(str(shares).encode() for shares in (FEW_SHARES, MANY_SHARES))
_decode = msgspec.msgpack.Decoder(dict[str, Said]).decode
_encode = msgspec.msgpack.Encoder().encode


def read_head(record: Record) -> tuple[bytes, dict[str, Said]]:
    """Return what a head says besides the edits, and the edits by part.  Raises BadRecord."""
    rest = unpack_head(record.head)
    written, edits = rest.pop(WRITTEN, None), rest.pop(EDITS, None)
    held = edits if edits is not None else written
    return pack_head(rest), {} if held is None else _checked(record, held)


def _checked(record: Record, held: Any) -> dict[str, Said]:
    try:
        return _decode(_encode(held))
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeError) as error:
        raise BadRecord(f"record {record.collection} {record.key!r}: who wrote its parts: {error}") from None


def said(part: Part, base: Edit, shown: bytes | None) -> list[Any] | None:
    """Return how a head keeps a part of which the text shows this; None where nothing needs to be kept."""
    edit = part.edit
    told: list[Any] = [edit.rank.sequence, edit.rank.modified, edit.stamp, edit.origin]
    if part.holds == shown:
        return None if edit == base else told
    return [*told, None, True] if part.holds is None else [*told, part.holds]


def packed(rest: bytes, base: Edit, shares: int, told: dict[str, list[Any]]) -> bytes:
    """Return a head that says this besides, and of the parts that; ``shares`` as in naming.texts_of."""
    whole: list[Any] = [base.rank.sequence, base.rank.modified, base.stamp, base.origin]
    if shares:
        whole.append(str(shares).encode())
    return pack_head({**unpack_head(rest), EDITS: {"": whole, **dict(sorted(told.items()))}})


def edits_in(head: dict[str, Any]) -> Iterator[list[Any]]:
    """Yield the parts' edits in a head that was unpacked, as lists that may be changed."""
    for key in (EDITS, WRITTEN):
        yield from head.get(key, {}).values()


def without_edits(head: bytes) -> bytes:
    """Return a head without what it says of the parts' edits."""
    rest = unpack_head(head)
    for key in (EDITS, WRITTEN):
        rest.pop(key, None)
    return pack_head(rest)


def check_edits(record: Record) -> None:
    """Raise BadRecord when a head speaks of edits later than its record, which would win for ever, or of no text."""
    where = f"record {record.collection} {record.key[:80]!r}"
    if {EDITS, WRITTEN} <= unpack_head(record.head).keys():
        raise BadRecord(f"{where}: its head says twice who wrote its parts")
    _, told = read_head(record)
    check_names(told, where)
    for class_, names in by_class(told.keys() - {""}, class_of).items():
        if len(names) > class_.count:
            raise BadRecord(f"{where}: {len(names)} {class_.holds} are over the limit of {class_.count}")
    if told and "" not in told:
        raise BadRecord(f"{where}: it does not say who wrote the parts that are not named")
    for name, one in told.items():
        _check_edit(record, one, told[""].edit, f"{where}: its part {name[:40]!r}")
        if one.hidden is not None:
            _check_hidden(name, one, f"{where}: its part {name[:40]!r}")


def _check_edit(record: Record, one: Said, base: Edit, where: str) -> None:
    if not 0 < one.stamp <= record.stamp:
        raise BadRecord(f"{where} is later than itself")
    if not 0 < len(one.origin) <= MAX_ORIGIN:
        raise BadRecord(f"{where} has an origin of {len(one.origin)} characters")
    if one.edit < base:
        raise BadRecord(f"{where} is earlier than all that is not named")


def _check_hidden(name: str, one: Said, where: str) -> None:
    """Raise BadRecord unless a part that no text shows would be read as that part where one shows it again."""
    if not name:
        if one.hidden not in _SHARES:
            raise BadRecord(f"{where} speaks of other shares than there are")
        return
    try:
        text = one.holds(name, None) or b""
    except UnicodeError:
        raise BadRecord(f"{where} holds what no message can") from None
    if len(text) > class_of(name).size:
        raise BadRecord(f"{where} has more than {class_of(name).size} bytes")
    if name == MESSAGE or not (name == ENCODING or _could_be_shown(name, text)):
        raise BadRecord(f"{where} is none that could be hidden")


def _could_be_shown(name: str, text: bytes) -> bool:
    if b"\0" in text or b"\r\n" in text + b"\n":
        return False
    return name in AROUND_ITEM or is_read_as(name, text)
