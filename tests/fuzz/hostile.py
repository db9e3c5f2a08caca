"""What a hostile or buggy client sends: commands, arguments and batches that are right, half right or garbage.

Made from the tables themselves (mirror.server.commands, mirror.model.kinds), so what is added there is tried as well.
Everything follows from a ``random.Random`` and from what the node is known to hold.
"""

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from mirror.model.checksum import crc64
from mirror.model.draft import Base, Draft, base_of
from mirror.model.kinds import HORIZON_KEY, KINDS, NODES, MergeRule, parse_collection
from mirror.model.limits import FIELDS, MAX_NAME, PART_CLASSES
from mirror.model.record import INLINE_LIMIT, LEAST, MAX_HEAD, MAX_KEY, MAX_PAST, Past, Record, record_crc
from mirror.model.stamp import make_stamp
from mirror.server.commands import TABLE
from mirror.server.table import Handler
from mirror.wire.arguments import Argument
from mirror.wire.batch import Batch, frame
from mirror.wire.codec import JSON, MSGPACK, checksum, typed_batch
from mirror.wire.readable import draft_as_json, record_as_json

_pack = msgspec.msgpack.encode
DAY_MS = 86_400_000
EPOCH, DIRECTORY = b"{epoch}", b"{directory}"
"""Stand in a step's line for what differs from run to run."""
PARTIES = ("nobody", "user", "aide", "share", "peer", "admin")


class Step(NamedTuple):
    """One input: who sends which line, and what follows where the node asks for it.

    ``broken``: the node may rightly wait for more than follows, so the sender's side is closed behind it.
    """

    party: str
    line: bytes
    payload: bytes = b""
    broken: bool = False


TEXTS = (
    "", "a", "x y", "\0", "a\0b", "é" * 700, "花", "\u2028", "\ufeff", "a|b", "000", "../../x", "*", "%s%n",
    "x" * MAX_KEY, "x" * (MAX_KEY + 1), "END", "Type=records", "euid:", "id:", "-1", "true", "\x7f", "\x1b[2J",
    "a\nb", "\r", " " * 9,
)  # fmt: skip
ORIGINS = (
    "a",
    "m",
    "delta",
    "beta",
    "gamma",
    "citadel:x",
    "m~1",
    "é" * 255,
    "x" * 255,
    "x" * 256,
    "",
    "\0",
    "*",
    "a|b",
)
NUMBERS = (0, 1, -1, 2, 255, 1 << 31, (1 << 53) + 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
RAW_HEADS = (
    b"\xc1", b"\x80", b"\xc0", b"\x90", b"\x91\x01", b"\xff", b"\x81", b"\x81\xa1a", b"\x81\x01\x02",
    b"\x81\xa1\xff\x01",
    b"\x82\xa1a\x01\xa1a\x02", b"\x91" * 600, b"\x81\xa1a" * 600 + b"\x01", b"\x81\xa1a\xcb\x7f\xf8\0\0\0\0\0\0", b"{}",
    b"\x81\xa1a\xd4\x01\x00", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\x81\xa1a\xd6\xff\0\0\0\0",
)  # fmt: skip
TOKENS = (
    "", "0", "1", "2", "20", "1000", "65536", "-1", "²", "1e3", "18446744073709551615", "9223372036854775807",
    "ff", "0" * 16, "0" * 64, "f" * 64, "zz", "{epoch}:0", "{epoch}:5", "{epoch}:999999999999", "dead:99", ":",
    ":0", "{epoch}:-1", "all", "text", "msgpack", "json", "morse", "{directory}/copy", "{directory}/none/copy",
    "{directory}/a\0b", "relative", "admin", "Hana", "Lobby", "netconf", "alpha:1", "alpha:2", "x" * 300, "x" *
    5000, "é", "\0", "*", "000", "SCRAM-SHA-256", "biws", "INFO", "citadel", "protocol=2", "a\tb",
)  # fmt: skip
NESTED = 2000
"""Levels in a value that is nested too deep."""
JSON_VALUES = (
    '"\\ud800"', '"\\udfff x"', "1e400", "NaN", "9" * 30, "-1", "null", "[]", "{}", "true", '{"\\ud800":1}',
    '"\\u0000"',
    "[" * NESTED + "]" * NESTED, '{"a":' * NESTED + "1" + "}" * NESTED,
)  # fmt: skip
LINES = (
    "mirror_share|gamma|Lobby", "mirror_share|gamma|Lobby|direction=pull", "mirror_share|x|y",
    "mirror_share|gamma|\xff",
    "Type=x", "", "listrecp|a", "x" * 3000, "mirror_share|gamma|Lobby|since=x",
    "mirror_share|gamma|Lobby|max_age=9d|header=a:*",
)  # fmt: skip
WAITS = ("wait",)
"""Arguments that are seconds which a command may take: here never more than none."""


class Known(NamedTuple):
    """What is known of the node: what it holds, by collection and key, and its time (Unix milliseconds).

    ``spared`` are those records that nobody here writes: who logs in, and has to be able to.
    """

    records: Sequence[Record]
    now_ms: int
    spared: frozenset[tuple[str, str]] = frozenset()


@lru_cache(maxsize=256)
def right_tokens(argument: Argument) -> tuple[str, ...]:
    """Return those tokens that an argument takes."""
    return tuple(token for token in TOKENS if _parses(argument, token))


def _parses(argument: Argument, token: str) -> bool:
    if argument.name in WAITS:
        return token == "0"
    try:
        argument.parse(token)
    except Exception:  # whatever it raises, it does not take it
        return False
    return True


class View(NamedTuple):
    """What can be read of a record or draft, and its line of JSON."""

    members: dict[str, Any]
    text: str


class Maker:
    """Makes steps, one after another."""

    def __init__(self, chance: random.Random, known: Known) -> None:
        self.chance = chance
        self.known = known
        self._number = 0
        self._fitting: dict[str, Sequence[Callable[[], Any]]] = {
            "offer": (self.records, self.records, self.drafts, self.drafts, self.content),
            "get": (self.values_asked,),
            "ranges": (self.values_asked,),
            "body": (self.values_asked,),
            "lacks": (self.values_asked,),
            "preview": (self.lines,),
            "snet": (self.lines,),
        }
        self._small = (self.lines,)  # what is not asked for is hardly ever read
        self._every = (self.records, self.drafts, self.content, self.values_asked, self.lines)

    # -- what all is made of ----------------------------------------------------------------------

    def often(self, share: float) -> bool:
        return self.chance.random() < share

    def one(self, *values: Any) -> Any:
        return values[int(self.chance.random() * len(values))]

    def some(self, values: Sequence[Any]) -> Any:
        return values[int(self.chance.random() * len(values))]

    def text(self) -> str:
        return str(self.some(TEXTS))

    def number(self) -> int:
        return int(self.some(NUMBERS)) if self.often(0.7) else self.chance.getrandbits(self.one(8, 63, 64))

    def stamp(self) -> int:
        """Mostly of these days, sometimes of the future, or none at all."""
        if self.often(0.1):
            return self.number()
        ahead = self.one(-DAY_MS, -3_600_000, -1000, 0, 0, 0, 50_000, 59_500, 61_000, DAY_MS, 400 * DAY_MS)
        return make_stamp(self.known.now_ms + ahead, self.chance.getrandbits(8))

    def value(self, depth: int = 0) -> Any:
        """A value of a head, of any type that can be written down."""
        if depth < 2 and self.often(0.2):
            inside = [self.value(depth + 1) for _ in range(self.chance.randrange(4))]
            return inside if self.often(0.5) else {self.text(): one for one in inside}
        return self.one(
            None, True, False, 1.5, float("nan"), float("inf"), self.text(), self.text(), self.writable(), b"\xff", 0
        )

    def writable(self) -> int:
        """A number that MessagePack can write."""
        return min(self.number(), (1 << 64) - 1)

    # -- records ----------------------------------------------------------------------------------

    def place(self) -> tuple[str, str]:
        """A collection and a key: of something that is there, or of something new."""
        while True:
            place = self._place()
            if place not in self.known.spared:
                return place

    def _place(self) -> tuple[str, str]:
        if self.often(0.5) and self.known.records:
            held = self.some(self.known.records)
            return held.collection, held.key
        return self.collection(), self.key()

    def collection(self) -> str:
        if self.often(0.06):
            return str(
                self.one(
                    "",
                    "/",
                    "users/x",
                    "messages",
                    "messages/",
                    "opaque",
                    "opaque/x",
                    "messages/" + "é" * 255,
                    self.text(),
                )
            )
        kind = self.some(tuple(KINDS.values()))
        return (
            f"{kind.name}/{self.one('alpha:2', 'alpha:9', 'alpha:8', 'alpha:32', 'm:1', 'x')}"
            if kind.per_room
            else kind.name
        )

    def key(self) -> str:
        self._number += 1
        few = self.chance.randrange(6)
        return str(self.one(
            f"id:{few}", f"euid:{few}", f"euid:{few}", f"m:{few}", f"alpha:{few + 2}", f"alpha:2 {few:x}",
            f"alpha:9 {few:x}", f"fuzz-{self._number}", "netconf", HORIZON_KEY, self.some(ORIGINS), self.text(),
        ))  # fmt: skip

    def origin(self) -> str:
        return str(self.some(ORIGINS)) if self.often(0.3) else str(self.one("beta", "beta", "gamma", "a"))

    def past(self, stamp: int, origin: str) -> Past:
        """Mostly none or a right one; also full ones of invented origins, unsorted ones, ones that name themselves."""
        if self.often(0.6):
            return ()
        count = self.one(3, MAX_PAST, MAX_PAST, MAX_PAST + 1) if self.often(0.04) else self.one(1, 2)
        wide, mark, apart = self.one("", "x" * 240), self.chance.randrange(1000), self.chance.randrange(1 << 20)
        names = sorted(f"o{mark}-{at}{wide}" for at in range(count))
        past = [(name, max(1, stamp - 1 - at * apart)) for at, name in enumerate(names) if name != origin]
        if self.often(0.3):
            wrong = self.one(
                (LEAST, 1), (origin, stamp), ("z", stamp + 1), ("z", 0), ("a" * 256, 1), ("m", max(1, stamp - 5))
            )
            past = [wrong, *past] if self.often(0.6) else [*past, wrong]
        return tuple(past)

    def head(self, collection: str, key: str, stamp: int, origin: str) -> bytes:
        """Mostly a map such as the kind has, with one thing wrong or none."""
        if self.often(0.12):
            return bytes(self.some(RAW_HEADS))
        if self.often(0.002):
            return _pack({"a": b"x" * MAX_HEAD})
        kind = KINDS.get(parse_collection(collection).kind)
        if collection == NODES:
            return self._sign()
        if kind is not None and kind.rule is MergeRule.FIELDS:
            return _encoded({name: self._field(value, stamp, origin) for name, value in self.values().items()})
        if key.startswith("euid:") and self.often(0.5):
            return _encoded({"written": self._written(stamp, origin)})
        return _encoded(self.values()) if self.often(0.4) else b""

    def values(self) -> dict[str, Any]:
        """Fields with their values."""
        names = ["u_fullname", "u_password", "u_axlevel", "u_usernum", "QRname", "QRflags", "QRroomaide", "QRnumber",
                 "v_flags", "v_seen", "x", "written", "settled", "proposed", "!settled 00", self.text()]  # fmt: skip
        count = self.one(0, 1, 1, 2, 3) if self.often(0.97) else self.one(FIELDS.count, FIELDS.count + 1)
        found = {
            self.some(names) if count < 9 else f"f{self.chance.randrange(400)}": self._field_value()
            for _ in range(count)
        }
        if self.often(0.02):
            found["n" * self.one(MAX_NAME, MAX_NAME + 1)] = "x"
        return found

    def _field_value(self) -> Any:
        if self.often(0.03):
            return "v" * self.one(FIELDS.size, FIELDS.size + 1)
        return self.one("Ann", "Lobby", "6", "2", 4, 16384, True, "1:5,9") if self.often(0.6) else self.value()

    def _field(self, value: Any, stamp: int, origin: str) -> Any:
        if self.often(0.06):
            return self.one(
                value, [value], [value, stamp], [value, stamp + 1, origin], [value, 0, origin], [value, stamp, ""], {}
            )
        return [value, min(stamp, (1 << 64) - 1), origin]

    def _written(self, stamp: int, origin: str) -> Any:
        if self.often(0.1):
            return self.value()
        class_ = self.some(PART_CLASSES)
        count = self.one(1, 2) if self.often(0.9) else self.one(class_.count, class_.count + 1)
        names = [
            self.one("", "SUMMARY", "LOCATION", "when", "revision", f"X-{at}", "settled " + "0" * 16)
            for at in range(count)
        ]
        hidden = self.one(None, "", "x", "x" * class_.size, self.value())
        return {name: [self.writable() >> 1, 1, min(stamp, (1 << 64) - 1), origin, hidden] for name in names}

    def _sign(self) -> bytes:
        vector = {self.origin(): min(self.stamp(), (1 << 64) - 1) for _ in range(self.chance.randrange(4))}
        return _encoded({self.one("seen", "newest", "nodes"): self.one(vector, vector, list(vector), self.value())})

    def body(self, collection: str, key: str) -> bytes:
        if key.startswith("euid:") or self.often(0.05):
            return self._item()
        if collection.startswith("netconf"):
            lines = (
                "mirror_share|gamma|Lobby",
                "mirror_share|gamma|Lobby|what=files",
                "listrecp|x",
                "mirror_share|gamma",
                "\xff",
                "000",
            )
            return "\n".join(self.some(lines) for _ in range(self.chance.randrange(3))).encode()
        return self.one(
            b"",
            b"x",
            b"\xffA\0AAnn\0Mhello\0",
            b"\xffA",
            b"\xff\0\n000\n",
            b"\0" * INLINE_LIMIT,
            b"x" * (INLINE_LIMIT + 1),
        )

    def _item(self) -> bytes:
        count = self.one(0, 1, 3) if self.often(0.99) else self.one(1024, 1100)
        properties = [
            f"{self.one('SUMMARY', 'LOCATION', 'DESCRIPTION', 'ATTENDEE', 'X-A')}:{self.chance.randrange(9)}"
            for _ in range(count)
        ]
        if count > 9:
            properties = [f"X-{self.chance.randrange(3000)}:{at}" for at in range(count)]
        lines = ["BEGIN:VCALENDAR", "BEGIN:VEVENT", "UID:a", f"SEQUENCE:{self.one(0, 1, 7, -1, 1 << 70)}", *properties]
        lines += [
            self.one("DTSTAMP:20260101T000000Z", "DTSTAMP:x", "BEGIN:VALARM", "RRULE:FREQ=DAILY"),
            "END:VEVENT",
            "END:VCALENDAR",
        ]
        text = "\r\n".join(lines).encode() + b"\r\n"
        return (b"Content-type: text/calendar\r\n\r\n" + text)[: INLINE_LIMIT + 1]

    def record(self) -> Record:
        """A record as a peer could send it."""
        collection, key = self.place()
        stamp, origin = self.stamp(), self.origin()
        dead = self.often(0.15)
        record = Record(
            collection,
            key,
            stamp,
            origin,
            self.one(stamp, stamp, 1, self.stamp()),
            dead=dead,
            past=self.past(stamp, origin),
            head=b"" if dead and self.often(0.9) else self.head(collection, key, stamp, origin),
            body=b"" if dead and self.often(0.9) else self.body(collection, key),
        )
        if self.often(0.05):
            return self._with_content(record)
        return record

    def _with_content(self, record: Record) -> Record:
        held = [one for one in self.known.records if one.content]
        content, size = (
            (held[0].content, held[0].size)
            if held and self.often(0.5)
            else (b"\1" * self.one(31, 32), INLINE_LIMIT + 1)
        )
        return msgspec.structs.replace(
            record, body=self.one(b"", b"", b"x"), content=content, size=self.one(size, size, size + 1, -1)
        )

    def draft(self) -> Draft:
        """A draft as a client could send it."""
        made = self.record()
        held = [one for one in self.known.records if (one.collection, one.key) == (made.collection, made.key)]
        right = base_of(held[0]) if held else None
        base = self.one(right, right, None, Base(made.stamp, made.origin, made.past))
        kind = KINDS.get(parse_collection(made.collection).kind)
        head = made.head
        if kind is not None and kind.rule is MergeRule.FIELDS and head and self.often(0.8):
            head = _encoded(self.values())
        only_if = self.one(None, None, None, 0, self.number()) if not held or self.often(0.5) else record_crc(held[0])
        changed = tuple(self.one("SUMMARY", "when", self.text()) for _ in range(self.one(0, 0, 1, 2)))
        return Draft(
            made.collection, made.key, base, made.dead, head, made.body, made.content, made.size, changed, only_if
        )

    # -- batches ----------------------------------------------------------------------------------

    def records(self) -> Batch:
        records = [self.record() for _ in range(self.one(1, 1, 1, 2, 5))]
        if self.often(0.2):
            records += records[:1]
        if self.often(0.15):
            crcs = [record_crc_or_none(record) for record in records]
            return self._json(map(record_as_json_anyway, records), "records", checksum(crcs), base=False)
        payload = _encoded(records)
        return Batch(
            {
                "Type": "records",
                "Count": str(len(records)),
                "Encoding": MSGPACK,
                "Crc": checksum([record_crc_or_none(one) for one in records]),
            },
            payload,
        )

    def drafts(self) -> Batch:
        """Drafts, of which half name their base."""
        if self.often(0.5):
            return _payload("drafts", [self.record() for _ in range(self.one(1, 1, 2))])
        drafts = [self.draft() for _ in range(self.one(1, 1, 2))]
        if self.often(0.25):
            return self._json(map(draft_as_json_anyway, drafts), "drafts", None, base=True)
        batch = _payload("drafts", drafts)
        batch.header["Base"] = "named"
        return batch

    def _json(self, views: Iterator[View], kind: str, crc: str | None, base: bool) -> Batch:
        lines = [self._json_line(view) for view in views]
        payload = b"\n".join(lines) + b"\n"
        header = {"Type": kind, "Count": str(len(lines)), "Encoding": JSON, "Crc": crc or f"{crc64(payload):016x}"}
        if base:
            header["Base"] = "named"
        return Batch(header, payload)

    def _json_line(self, view: View) -> bytes:
        """An object with something in it that JSON can say and nobody wants."""
        text = view.text
        if self.often(0.5):
            wrong = (
                f"{json.dumps(self.some(list(view.members)))}: {self.some(JSON_VALUES)}"  # of two the last one counts
            )
            text = f"{text[:-1]}, {wrong}}}"
        return text.encode() if self.often(0.97) else text.encode()[: self.chance.randrange(len(text))] + b"\xff"

    def content(self) -> Batch:
        data = self.one(b"x" * (INLINE_LIMIT + 1), b"y" * 40_000, b"", b"z")
        content = self.one(hashlib.sha256(data).digest(), b"\2" * 32, b"\2" * 31)
        total = self.one(len(data), len(data), len(data) + 1, INLINE_LIMIT + 1, 1 << 62)
        offset = self.one(0, 0, 1, len(data))
        return Batch({"Type": "content", "Content": content.hex(), "Offset": str(offset), "Total": str(total)}, data)

    def values_asked(self) -> Batch:
        """Keys, ranges or contents, as the questions of SYNC take them."""
        kind = self.one("keys", "ranges", "contents")
        bounds = [[self.writable() >> self.one(0, 1), self.key()] for _ in range(2)]
        items = {
            "keys": [self.one(self.key(), self.value()) for _ in range(self.one(0, 1, 3))],
            "ranges": [
                [*sorted(bounds, key=str), self.one(0, 1, -1), self.writable()] for _ in range(self.one(0, 1, 2))
            ],
            "contents": [
                [self.one(b"\1" * 32, b"", "x"), self.one(0, 1, self.writable())] for _ in range(self.one(0, 1, 2))
            ],
        }[kind]
        if self.often(0.2):
            return typed_batch(kind, [[[0, ""], [(1 << 63) - 1, ""], 0, 0]])
        return typed_batch(kind, items)

    def lines(self) -> bytes:
        """Lines of text, as a room's configuration is sent."""
        return "".join(self.some(LINES) + "\n" for _ in range(self.chance.randrange(4))).encode("latin-1")

    def payload(self, name: str) -> tuple[bytes, bool]:
        """What is sent where a command asks for it, and whether that leaves the node waiting for more."""
        makes = self._fitting.get(name, self._small) if self.often(0.95) else self._every
        parts = [self.some(makes)() for _ in range(self.some((0, 1, 1, 1, 1, 2)))]
        sent = b"".join(part if isinstance(part, bytes) else self._framed(part) for part in parts)
        if self.often(0.02):
            at = self.chance.randrange(len(sent) + 1)
            return sent[:at] + bytes(self.one(b"", b"\0", b"\xff" * 9, b"\n", b"000\n", b"DATA CHUNK 99999\n")) + sent[
                at + self.one(0, 1, 9) :
            ], True
        return sent, False

    def _framed(self, batch: Batch) -> bytes:
        header = dict(batch.header)
        if self.often(0.08):
            name = self.one(*header, "Size", "Cursor", "X-New", "Base", "Encoding")
            if name != "Size":
                header[name] = str(
                    self.one("", "0", "1", "-1", "x", "json", "msgpack", "named", "records", "²", "9" * 30)
                )
        if self.often(0.02):
            header.pop(self.some(list(header)))
        return b"".join(frame(Batch(header, batch.payload)))

    # -- commands ---------------------------------------------------------------------------------

    def step(self) -> Step:
        """The next input."""
        party = str(self.some(PARTIES))
        if self.often(0.6) and party != "nobody":
            return self._action(party, "offer")
        if self.often(0.5):
            return self._action(party, None)
        if self.often(0.06):
            return Step(
                party,
                bytes(
                    self.one(
                        b"",
                        b"  ",
                        b"\xff\xfe",
                        b"\0",
                        b"x" * 5000,
                        b"SYNC",
                        b"SYNC |",
                        b"sync users|\xed\xa0\x80",
                        b"|||",
                    )
                ),
            )
        verb = str(self.some(list(TABLE.commands)))
        line = self.one(verb, verb, verb.lower(), verb[:3]) + self._given(TABLE.commands[verb], " ")
        return self._step(party, line, verb.lower())

    def _action(self, party: str, action: str | None) -> Step:
        type_ = str(self.some(list(TABLE.types))) if self.often(0.5) else self.collection()
        actions = TABLE.actions_of(type_)
        name = action if action in actions else str(self.some(list(actions)))
        return self._step(party, f"SYNC {type_}|{name}" + self._given(actions[name], "|"), name)

    def _given(self, handler: Handler, before: str) -> str:
        given = []
        for argument in handler.arguments:
            if argument.optional and self.often(0.3):
                break
            right = right_tokens(argument)
            given.append(str(self.some(right)) if right and self.often(0.8) else self._garbage(argument))
        if self.often(0.03):
            given.append(self.text())
        return before + "|".join(given) if given else ""

    def _garbage(self, argument: Argument) -> str:
        if argument.name in WAITS:
            return str(self.one("", "x", "-1", "99999999"))
        return str(self.some(TOKENS))

    def _step(self, party: str, line: str, name: str) -> Step:
        payload, broken = self.payload(name)
        text = line.replace("\n", " ").encode("utf-8", "surrogatepass")
        return Step(party, text, payload, broken)


def record_crc_or_none(record: Record) -> int:
    """Return a record's CRC-64; of one that cannot be written down any number."""
    try:
        return record_crc(record)
    except (OverflowError, UnicodeEncodeError):
        return 0


def _encoded(value: Any) -> bytes:
    """Return a value in MessagePack; of one that cannot be written down an empty list."""
    try:
        return _pack(value)
    except (OverflowError, UnicodeEncodeError):
        return b"\x90"


def _payload(kind: str, items: Sequence[Any]) -> Batch:
    payload = _encoded(items)
    return Batch(
        {"Type": kind, "Count": str(len(items)), "Encoding": MSGPACK, "Crc": f"{crc64(payload):016x}"}, payload
    )


def record_as_json_anyway(record: Record) -> View:
    """Return a record's readable form, without its head where that is none."""
    try:
        return _viewed(record_as_json(record))
    except Exception:  # a head that is no map, or whose values JSON has not: then without
        place = {"collection": record.collection, "key": record.key, "stamp": 1, "origin": record.origin}
        return _viewed({**place, "head": {"a": 1}, "text": "x"})


def draft_as_json_anyway(draft: Draft) -> View:
    """Return a draft's readable form, without its head where that is none."""
    try:
        return _viewed(draft_as_json(draft))
    except Exception:  # as above
        place = {"collection": draft.collection, "key": draft.key}
        return _viewed({**place, "fields": {"u_fullname": "x"}, "changed": ["a"]})


def _viewed(members: dict[str, Any]) -> View:
    return View(members, json.dumps(members))
