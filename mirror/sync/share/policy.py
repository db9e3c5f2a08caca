"""What a room's rule decides about one record, and what all rules for one peer let it see and write.

Values in, values out: no store and no clock.  What depends on the time is told it, in Unix milliseconds.
"""

import hashlib
import re
from collections.abc import Hashable, Mapping, Sequence
from email.parser import BytesHeaderParser
from email.policy import compat32

from mirror.formats.errors import BadMessage
from mirror.formats.message import Message, parse_message
from mirror.model.fields import Field, pack_fields, unpack_fields
from mirror.model.kinds import Collection, parse_collection
from mirror.model.record import Record, unpack_head
from mirror.model.stamp import stamp_ms
from mirror.sync.remote import Denied
from mirror.sync.scope import Text
from mirror.sync.share.names import KIND_OF, PER_ROOM, settings_of, what_of
from netconf.rules import DELETIONS, FILES, MARKS, MESSAGES, SETTINGS, Rule
from netconf.selection import Facts

SETTING_FIELDS = ("QRdefaultview", "QRexpire_mode", "QRexpire_value", "QRorder", "QRflags2")
"""The fields of a room that are shared as its settings.  Its name, floor, access and numbers are each side's own."""
_FIELD_OF = {"from": "AF", "to": "R", "cc": "Y", "subject": "U", "message-id": "I", "list-id": "L", "reply-to": "K"}
"""The letters of Citadel's own fields that hold what a header says."""
_NUMBER = re.compile(r"[0-9]{1,18}")


# -- one rule, one record -----------------------------------------------------------------------------


def facts_of(record: Record, text: bytes) -> Facts:
    """Return what a rule's filters may ask of a message."""
    number = str(unpack_head(record.head).get("msg_msgnum", "0")) if record.head else "0"
    size = record.size or len(record.body)
    facts = Facts(stamp_ms(record.stamp), size, int(number) if _NUMBER.fullmatch(number) else 0)
    try:
        message = parse_message(text)
    except BadMessage:
        return facts
    return facts._replace(
        author=message.text("A"),
        address=message.text("F"),
        subject=message.text("U"),
        header=lambda name: _header(message, name),
    )


def _header(message: Message, name: str) -> list[str]:
    """Return the values of a header: of the MIME part in the text, and of Citadel's field for it."""
    values = [message.text(letter) for letter in _FIELD_OF.get(name, "") if message.get(letter)]
    if message.format == 4:
        head = message.get("M").replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        parsed = BytesHeaderParser(policy=compat32).parsebytes(head + b"\n\n")
        values += [str(value) for value in parsed.get_all(name, [])]
    return values


def lets(rule: Rule, record: Record, text: Text, now_ms: int, asked: bool = False) -> bool:
    """Tell whether a rule lets a version through at a moment, direction aside.

    Of what is deleted nothing can be read any more.  So where more than time selects, its deletion is told just
    to who ``asked`` for the key; else it would tell of messages that were never shared.
    """
    what, selection = what_of(record), rule.selection
    if what not in rule.what:
        return False
    if what == MARKS:
        return " " in record.key
    if record.dead:
        if DELETIONS not in rule.what:
            return False
        return asked or selection.all or (selection.by_time_alone and stamp_ms(record.born) >= selection.since_ms)
    if selection.all or what == SETTINGS:
        return True
    if what == FILES:
        selection = selection._replace(author="", subject="", headers=())
    body = text(record) if selection.by_text else b""
    return selection.lets_through(facts_of(record, body), now_ms)


def fades(rule: Rule, record: Record) -> int | None:
    """Return the moment from which a rule lets a version through no more, None if it always will or never did."""
    if record.dead or what_of(record) not in (MESSAGES, FILES):
        return None
    return rule.selection.fades(stamp_ms(record.stamp))


def shows_whole(rule: Rule) -> bool:
    """Tell whether all of a room's messages and files are shown, deletions too."""
    return rule.selection.all and DELETIONS in rule.what


def mark_of(rule: Rule) -> str:
    """Return something short that changes when a rule does, the names in it aside."""
    said = repr((rule.pushes, rule.pulls, sorted(rule.what), rule.selection))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def just_settings(record: Record) -> Record | None:
    """Return a version of a room that says nothing but its shared settings; its own version follows from theirs."""
    if record.dead:
        return None
    fields: dict[str, Field] = {name: field for name, field in unpack_fields(record).items() if name in SETTING_FIELDS}
    if not fields:
        return None
    newest = max(fields.values(), key=lambda field: (field.stamp, field.origin))
    return Record(record.collection, record.key, newest.stamp, newest.origin, 1, head=pack_fields(fields))


# -- all rules for one peer ---------------------------------------------------------------------------


class ShareScope:
    """What one peer may see and write: the rooms whose rules name it, as far as they say."""

    trusted = False

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        """``rules`` by the rooms' keys."""
        self._rules = dict(rules)
        settings = [room for room, rule in self._rules.items() if rule.pushes and SETTINGS in rule.what]
        self._settings = [place for room in settings for place in settings_of(room)]
        self.signature: Hashable = tuple(sorted((room, mark_of(rule)) for room, rule in self._rules.items()))

    def _rule(self, collection: str) -> Rule | None:
        """Return the rule for a collection that belongs to a room."""
        kind, room = parse_collection(collection)
        rule = self._rules.get(room)
        return rule if rule is not None and PER_ROOM.get(kind) in rule.what else None

    def reads(self, collection: str) -> bool:
        rule = self._rule(collection)
        return rule.pushes if rule is not None else bool(self.keys(collection))

    def collections(self) -> Sequence[str]:
        rooms = [
            str(Collection(KIND_OF[what], room))
            for room, rule in self._rules.items()
            if rule.pushes
            for what in rule.what & KIND_OF.keys()
        ]
        return sorted({*rooms, *(collection for collection, _ in self._settings)})

    def keys(self, collection: str) -> Sequence[str] | None:
        if parse_collection(collection).room:
            return None
        return [key for name, key in self._settings if name == collection]

    def spans(self, collection: str) -> None:
        return None

    def whole(self, collection: str) -> bool:
        rule = self._rule(collection)
        return rule is not None and shows_whole(rule) and PER_ROOM.get(parse_collection(collection).kind) != MARKS

    def shown(self, record: Record, text: Text, now_ms: int, asked: bool = False) -> Record | None:
        rule = self._rule(record.collection)
        if rule is not None:
            return record if rule.pushes and lets(rule, record, text, now_ms, asked) else None
        if (record.collection, record.key) not in self._settings:
            return None
        return just_settings(record) if record.collection == "rooms" else record

    def fades(self, record: Record) -> int | None:
        rule = self._rule(record.collection)
        return fades(rule, record) if rule is not None else None

    def admitted(self, record: Record, text: Text, now_ms: int) -> Record | None:
        rule = self._rule(record.collection) or self._settings_rule(record)
        if rule is None or not rule.pulls:
            raise Denied(f"{record.collection} is not open for writing; nothing of the batch was applied")
        if not lets(rule, record, text, now_ms, asked=True):
            return None
        return just_settings(record) if record.collection == "rooms" else record

    def _settings_rule(self, record: Record) -> Rule | None:
        found = (rule for room, rule in self._rules.items() if (record.collection, record.key) in settings_of(room))
        return next((rule for rule in found if SETTINGS in rule.what), None)

    def adopts(self, collection: str) -> bool:
        return collection == "rooms"
