"""Records and batches such as a hostile or buggy node might send: right ones, almost right ones, and garbage.

Most are made from right ones by changing one thing, for what is wrong all over is refused at the first look.  They are
bytes, and are read as those of a connection are.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from mirror.model.checksum import crc64
from mirror.model.draft import Base, Draft
from mirror.model.kinds import HORIZON_KEY, NODES
from mirror.model.limits import FIELDS, MAX_NAME, PART_CLASSES
from mirror.model.record import INLINE_LIMIT, LEAST, MAX_KEY, MAX_PAST, Record, pack_head, record_bytes
from mirror.model.stamp import make_stamp
from mirror.simulation.users import EVENT, KEYS, message_of
from mirror.wire.batch import Batch
from mirror.wire.bulk import parse_page
from mirror.wire.codec import MSGPACK, Cursor, checksum
from mirror.wire.values import Page

_pack = msgspec.msgpack.encode
DAY_MS = 86_400_000
TEXTS = ("", "a", "a|b", "x" * MAX_KEY, "x" * (MAX_KEY + 1), "\0", "é" * 700, "*", "euid:", "id:", "\u2028", "000")
ORIGINS = ("m", "m", "m~1", "x1", "x2", "x3", "a", "b", "citadel:x", "é" * 255, "x" * 256, "*", "a|b", "p")
NUMBERS = (0, 1, -1, 2, 1 << 31, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
AHEAD_MS = (-60_000, -1000, 0, 0, 0, 0, 500, 5000, 9_900, 11_000, 60_000, 130_000, DAY_MS, 400 * DAY_MS)
HEADS = (
    b"\xc1",
    b"\x80",
    b"\xc0",
    b"\x91\x01",
    b"\x81",
    b"\x81\xa1a",
    b"\x81\x01\x02",
    b"\x81\xa1\xff\x01",
    b"\x82\xa1a\x01\xa1a\x02",
    b"\x91" * 600,
    b"\x81\xa1a" * 600 + b"\x01",
    b"\x81\xa1a\xcb\x7f\xf8\0\0\0\0\0\0",
    b"\xdf\xff\xff\xff\xff",
    b"\x81\xa7written\x81\xa0\x93\x00\x00\x01",
    b"\x81\xa8settled \x01",
)
BODIES = (b"", b"x", b"\xffA\0AAnn\0Mhello\0", b"\xffA", b"\0" * INLINE_LIMIT, b"x" * (INLINE_LIMIT + 1))
HALF_A_PAIR = b"\xed\xa0\x80"
"""Half of a surrogate pair as UTF-8 must not have it."""
MARK = "surrogate"
FIELD_KINDS = ("users", "rooms", "config", "visits", "floors")
"""Kinds of collections whose records are fields."""


class Garbage:
    """Makes what a hostile party sends, from what it learned and in places that are of interest."""

    def __init__(
        self, chance: random.Random, now_ms: Callable[[], int], collections: Sequence[str], full: bool = False
    ) -> None:
        """``full``: half of it is right, and as full as a record may be, in places where users write."""
        self.chance = chance
        self._full = full
        self._born_full: dict[tuple[str, str], int] = {}
        self._now_ms = now_ms
        self._collections = [*collections]
        self._learned: list[Record] = []
        self._number = 0

    def learn(self, records: Sequence[Record]) -> None:
        """Remember some of what the other side holds in those places."""
        known = [record for record in records if record.collection in self._collections]
        self._learned = [*self._learned, *known][-60:]

    def one(self, *values: Any) -> Any:
        return self.chance.choice(values)

    def often(self, share: float) -> bool:
        return self.chance.random() < share

    # -- records ----------------------------------------------------------------------------------

    def place(self) -> tuple[str, str]:
        """Return a collection and a key: of something that is there, mostly."""
        if self._learned and self.often(0.6):
            held = self.chance.choice(self._learned)
            return held.collection, held.key
        self._number += 1
        few = self.chance.randrange(5)
        keys = (f"euid:{few}", f"euid:{few}", f"id:{few}", f"id:new {self._number}", f"ann {few}", f"k{few}")
        collection = self.chance.choice(self._collections)
        return collection, HORIZON_KEY if collection == NODES and self.often(0.3) else self.chance.choice(keys)

    def stamp(self) -> int:
        return make_stamp(self._now_ms() + self.chance.choice(AHEAD_MS), self.chance.getrandbits(3))

    def record(self) -> Record:
        """Return a record that might be right."""
        if self._full and self.often(0.5):
            return self._full_record()
        collection, key = self.place()
        stamp, origin = self.stamp(), self.one("m", "m", "m", "x1", "x2", "p", "a")
        past: tuple[tuple[str, int], ...] = ()
        if self.often(0.4) and self._learned:
            seen = self.chance.choice(self._learned)
            past = ((seen.origin, min(seen.stamp, stamp)),) if seen.origin != origin else ()
        elif self.often(0.1):
            mark, count = self.chance.randrange(100), self.one(3, 30, MAX_PAST)
            past = tuple(sorted((f"o{mark}-{at}", max(1, stamp - at)) for at in range(count)))
        born = self.one(1, stamp, max(1, stamp - (1 << 30)))
        if self.often(0.15) and collection != NODES:
            return Record(collection, key, stamp, origin, born, dead=True, past=past)
        return Record(
            collection,
            key,
            stamp,
            origin,
            born,
            past=past,
            head=self.head(collection, stamp, origin),
            body=self.body(key),
        )

    def _full_record(self) -> Record:
        """Return a right record with as many origins, and fields, as one may have: one of a few sets of them."""
        collection = self.chance.choice([name for name in self._collections if name != NODES])
        key = self.chance.choice(KEYS)
        stamp, mark = make_stamp(self._now_ms()), self.chance.randrange(3)
        past = tuple(sorted((f"full{mark}-{at}", stamp - 1 - at) for at in range(MAX_PAST)))
        fields = {f"f{mark}-{at}": ("v", stamp, "m") for at in range(FIELDS.count)}
        head = pack_head(fields) if collection.partition("/")[0] in FIELD_KINDS else b""
        is_item = collection.startswith("messages/")
        key = f"euid:{key}" if is_item else key
        born = next((one.born for one in self._learned if (one.collection, one.key) == (collection, key)), stamp)
        born = 1 if is_item else self._born_full.setdefault((collection, key), min(born, stamp))
        return Record(collection, key, stamp, "m", born, past=past, head=head, body=b"" if head else self.body(key))

    def head(self, collection: str, stamp: int, origin: str) -> bytes:
        if collection == NODES:
            vector = {self.chance.choice(ORIGINS): self.stamp() for _ in range(self.chance.randrange(4))}
            return pack_head({"seen": vector, "newest": vector} if self.often(0.7) else {"nodes": sorted(vector)})
        if collection.partition("/")[0] in FIELD_KINDS:
            count = self.one(1, 2, 3, 3, FIELDS.count) if self.often(0.1) else self.one(1, 2)
            names = [self.one("name", "flags", "text", "QRname", f"f{at}") for at in range(count)]
            return pack_head({name: (self.one("v", "w", 4, True), stamp, origin) for name in names})
        if self.often(0.2):
            class_ = self.chance.choice(PART_CLASSES)
            names = ["SUMMARY", "LOCATION", "when", "settled " + "0" * 16, *(f"X-{at}" for at in range(self.one(0, 9)))]
            hidden = self.one(None, "x", "x" * min(class_.size, 2000))
            return pack_head({"written": {name: [0, 1, stamp, origin, hidden] for name in names}})
        return b"" if self.often(0.7) else pack_head({"msg_msgnum": "5"})

    def body(self, key: str) -> bytes:
        if key.startswith("euid:"):
            lines = [f"UID:{key}", f"SEQUENCE:{self.one(0, 1, 5, 1 << 40)}", f"SUMMARY:{self.chance.randrange(99)}"]
            lines += [f"X-{self.chance.randrange(200)}:{at}" for at in range(self.one(0, 0, 1, 40))]
            return EVENT.format(lines="\n".join(lines)).encode()
        return message_of(self.one("Ann", "Eve"), key, f"of a stranger {self.chance.randrange(999)}")

    def data(self) -> bytes:
        """Return the bytes of one record, most often with one thing changed."""
        learned = self._learned and self.often(0.3)
        told: list[Any] = msgspec.msgpack.decode(
            record_bytes(self.chance.choice(self._learned) if learned else self.record())
        )
        for _ in range(self.one(0, 0, 1, 1, 2)):
            self._spoil(told)
        data = _pack(told)
        if self.often(0.02):
            data = data[: self.chance.randrange(len(data))]
        return data.replace(MARK.encode(), b"surr" + HALF_A_PAIR + b"te")

    def _spoil(self, told: list[Any]) -> None:
        """Change one thing, to what can be written down as MessagePack."""
        at = self.chance.randrange(12)
        if at >= len(told):
            told.append(self.one(None, 1, [], {}))
        elif self.often(0.2):
            told[at] = self.value()
        elif at in (0, 1, 3):
            told[at] = self.one(*TEXTS, MARK) if at < 3 else self.chance.choice(ORIGINS)
        elif at in (2, 4):
            told[at] = self.chance.choice(NUMBERS) if self.often(0.5) else self.stamp()
        elif at == 5:
            told[at] = not told[at]
        elif at == 6:
            told[at] = self._bad_past(told[2] if isinstance(told[2], int) else 5)
        elif at == 7:
            told[at] = self._bad_head(told)
        elif at == 8:
            told[at] = self.chance.choice(BODIES)
        elif at == 9:
            told[at], told[10] = self.one(b"", b"c" * 32, b"c" * 31), self.one(0, 1, INLINE_LIMIT + 1, 1 << 62)
        else:
            told[at] = self.chance.choice(NUMBERS)

    def value(self) -> Any:
        """Return a value of a kind that does not belong where it is put."""
        return self.one(None, True, [], {}, [1], {"a": 1}, 1.5, float("nan"), b"\xff", "x", -1, (1 << 64) - 1)

    def _bad_past(self, stamp: int) -> Any:
        count = self.one(1, 3, MAX_PAST + 1)
        names = [f"o{at}" for at in range(count)]
        stamp = min(max(stamp, 5), (1 << 64) - 2)
        wrong = self.one((LEAST, 1), ("z", stamp + 1), ("z", 0), ("a" * 256, 1), ("m", 5), ("z",), "z", ("z", "z"))
        known = [(name, max(1, stamp - at)) for at, name in enumerate(sorted(names))]
        return self.one([wrong], [wrong, *known], [*known, wrong], [*reversed(known)], known)

    def _bad_head(self, told: list[Any]) -> Any:
        if self.often(0.6):
            return self.chance.choice(HEADS)
        stamp, origin = told[2], told[3]
        field = self.one(
            ["v"], ["v", stamp], [[], stamp, origin], [1.5, stamp, origin], ["\0", stamp, origin], ["v", 0, origin],
            ["v" * (FIELDS.size + 1), stamp, origin], [1 << 63, stamp, origin], ["v", stamp, ""], {},
        )  # fmt: skip
        names = ["n" * (MAX_NAME + 1), "text", "seen", "newest", "nodes", "written", "!settled 00"]
        names += [f"f{at}" for at in range(self.one(0, FIELDS.count + 1))]
        return _pack(dict.fromkeys(self.chance.sample(names, self.one(1, len(names))), field))

    # -- batches ----------------------------------------------------------------------------------

    def page(self, cursor: Cursor | None = None) -> Page:
        """Return a page as it is read from a connection.  Raises what reading it does."""
        datas = [self.data() for _ in range(self.one(1, 1, 2, 5))]
        header = {
            "Type": "records",
            "Count": str(len(datas)),
            "Encoding": MSGPACK,
            "Crc": checksum([crc64(data) for data in datas]),
        }
        if self.often(0.04):
            header[self.one("Count", "Crc", "Encoding")] = self.one("", "0", "-1", "2", "ff", "json")
        if cursor is not None:
            header["Cursor"] = str(cursor)
        length = len(datas)
        payload = (bytes([0x90 + length])) + b"".join(datas)
        return parse_page(Batch(header, payload))

    # -- drafts -----------------------------------------------------------------------------------

    def draft(self) -> Draft:
        """Return a draft such as a user's client might send; its fields are of the right types, as they are read."""
        record = self.record()
        base = self.one(
            None,
            Base(record.stamp, record.origin, record.past, self.one(0, record.born)),
            Base(self.chance.choice(NUMBERS), self.chance.choice(ORIGINS), (("z", self.chance.choice(NUMBERS)),)),
        )
        if self._learned and self.often(0.5):
            held = self.chance.choice(self._learned)
            base = Base(held.stamp, held.origin, held.past, held.born)
        head = self.one(record.head, b"", pack_head({"name": self.value()}), self.chance.choice(HEADS))
        return Draft(
            record.collection if self.often(0.95) else self.one(*TEXTS),
            record.key if self.often(0.95) else self.one(*TEXTS),
            base,
            self.often(0.2),
            head if self.often(0.7) else pack_head({"text": "of a stranger"}),
            record.body if self.often(0.8) else self.chance.choice(BODIES),
            self.one(b"", b"", b"", b"c" * 32),
            self.one(0, 0, 0, INLINE_LIMIT + 1, -1),
            self.one((), ("SUMMARY",), ("",), tuple(f"X-{at}" for at in range(5)), ("\0",)),
            self.one(None, None, 0, 1, 1 << 64),
        )
