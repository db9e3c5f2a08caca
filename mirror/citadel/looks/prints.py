"""Of which rooms a server says just what it said last, byte for byte: nothing of these is looked at again.

An export says what it has of a room in three parts: its element, the list of its messages, the visits of users.  Kept
of each part is a sum of fingerprints, beside what the server said last of every thing: the room's print.  It is written
once all of the room was taken over, and forgotten in the transaction in which anything of the room is taken over again,
so it stands for just what is remembered of the room's things.  Knows nothing of what the elements say.
"""

import enum
import hashlib
from collections import defaultdict
from collections.abc import Iterable

from mirror.model.draft import Base
from mirror.model.status import FINGERPRINT_BYTES, Status
from mirror.store.base import Reading, Writer

READING = 1
"""Of which form prints are; a greater one where more is read of an export than before, so that all is looked at."""
_ROOMS = "rooms"
_MODULUS = 1 << 8 * FINGERPRINT_BYTES


class Part(enum.IntEnum):
    """In which elements an export says something of a room."""

    ROOM = 0
    LIST = 1
    VISITS = 2


class Prints:
    """What was said of rooms, by their keys: last and in this look."""

    def __init__(self, place: str, store: Reading, keys: str) -> None:
        """``keys`` stands for the keys under which it is kept what the place names by numbers."""
        self._place = place
        self._store = store
        self._form = f"{READING}.{keys}"
        self._last: dict[str, list[int]] = {}
        self._now: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(Part))

    def recall(self) -> None:
        """Read what was said last."""
        after = ""
        place = _beside(self._place)
        while page := self._store.read(lambda reader, name=after: reader.scan_statuses(place, _ROOMS, name)):  # type: ignore[misc]
            self._last |= {status.foreign: self._read(status.tag) for status in page}
            after = page[-1].foreign

    def add(self, room: str, part: Part, data: bytes) -> None:
        """Note an element, in whatever order."""
        digest = hashlib.blake2b(data, digest_size=FINGERPRINT_BYTES).digest()
        sums = self._now[room]
        sums[part] = (sums[part] + int.from_bytes(digest, "big")) % _MODULUS

    def is_same(self, room: str, part: Part) -> bool:
        """Tell whether the elements of a part that were noted are all those of last time."""
        last = self._last.get(room)
        return last is not None and bool(last) and last[part] == self._now[room][part]

    def same(self, rooms: Iterable[str]) -> set[str]:
        """Return the rooms of which just the same was said as last time."""
        return {room for room in rooms if self._last.get(room) == self._now[room]}

    def remember(self, writer: Writer, rooms: Iterable[str]) -> None:
        """Have what was said in this look of rooms, all of which was taken over, be what was said last."""
        prints = [Status(_ROOMS, room, room, self._tag(self._now[room]), _NO_BASE, 0) for room in rooms]
        writer.put_statuses(_beside(self._place), prints)

    def _tag(self, sums: Iterable[int]) -> str:
        return " ".join([self._form, *(f"{one:x}" for one in sums)])

    def _read(self, tag: str) -> list[int]:
        """Return the sums that a tag tells; none where they are of another form."""
        form, *sums = tag.split()
        return [int(one, 16) for one in sums] if form == self._form else []


def forget_prints(writer: Writer, place: str, rooms: Iterable[str]) -> None:
    """Forget the prints of rooms, by their keys, in the transaction in which something of them is taken over."""
    writer.drop_statuses(_beside(place), _ROOMS, rooms)


_NO_BASE = Base(0, "")


def _beside(place: str) -> str:
    """Return under which name the prints of a place's rooms are kept, as what that place says."""
    return f"{place} rooms"
