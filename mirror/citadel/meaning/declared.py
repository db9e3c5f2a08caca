"""In what two nodes that have all of one server may differ, though each has it as it is: a table, and why.

Whatever compares a node with a server, or with another node of the same server, asks here; docs/citadel.md shows the
table.  Values in, values out.
"""

from collections.abc import Iterable
from typing import NamedTuple

from mirror.model.kinds import parse_collection

ANY = "*"
"""In place of a field's name: whatever differs."""
KEY = "(the key)"
"""In place of a field's name where the same contents are under the two keys that a message of one id can have."""
WHOLE = "(the record)"
"""In place of a field's name where a record is there on one side alone."""
BODY = "(the body)"
"""In place of a field's name where two bodies differ."""
BYTES = "(the bytes)"
"""In place of a field's name where two bodies are one message as messages are compared, and not byte for byte."""
MESSAGE = "(its message)"
"""In place of a field's name where two messages show the same text or picture, and are not the same message."""
VOID = "(of before)"
"""In place of a field's name where a visit speaks of a room as it was before all were made to forget it."""
SHOWN_BY = ("room-info", "pictures", "bios", "inbox-rules")
"""Kinds of collections of messages of which nothing is seen but what they hold."""
HOLD_MESSAGES = ("messages", "user-settings", "bios", "pictures", "room-info", "inbox-rules")
"""Kinds of collections whose bodies are messages."""


class Expected(NamedTuple):
    """A difference that is none: in collections of this kind, in this field, and why."""

    kind: str
    field: str
    why: str


EXPECTED = (
    Expected("nodes", ANY, "a node's own sign of life"),
    Expected("places", ANY, "which node follows the server"),
    Expected(
        "killed-rooms", ANY, "what rooms were that the first node held and the server killed: they can be restored"
    ),
    Expected("messages", KEY, "of two mails of one Message-ID the fresh node never saw the one that is gone"),
    Expected("visits", KEY, "read and answered marks of such a mail"),
    *(
        Expected(kind, BYTES, "asked for by itself: no command tells carriage returns, nor by which way a message came")
        for kind in HOLD_MESSAGES
    ),
    Expected(
        "users",
        "u_lastcall",
        "a log-in, the bootstrap's own by TCP among them, is written at most once a day",
    ),
)
"""What may differ between a node that met the server again and one that met it afterwards for the first time."""

_BY_EXPORTS = "an export alone tells it"
UNTOLD = (
    *(Expected("visits", field, "of answered marks: " + _BY_EXPORTS) for field in ("answered", "v_answered")),
    Expected("visits", "v_flags", "who forgot a room, took it up again or made it: " + _BY_EXPORTS),
    Expected("visits", "v_roomgen", "when the room was made: " + _BY_EXPORTS),
    Expected("visits", VOID, "what was seen of a room before all were made to forget it, and counts no more"),
    *(
        Expected(kind, MESSAGE, "of several that show the same: no command tells which one a room or user has")
        for kind in SHOWN_BY
    ),
    Expected("orphans", WHOLE, "messages in no room, which nobody sees: " + _BY_EXPORTS),
    Expected("rooms", "QRgen", "when a room was made: " + _BY_EXPORTS),
    Expected("floors", "f_flags", "the server sets more of them than one that says whether it is in use"),
    Expected("floors", "f_name", "of a floor that was made and killed between two looks"),
)
"""What may differ besides where a server is followed without exports."""


def declaration(collection: str, field: str, declarations: Iterable[Expected] = EXPECTED) -> Expected | None:
    """Return what declares that a field may differ in a collection, by its whole name; None where nothing does."""
    kind = parse_collection(collection).kind
    return next((one for one in declarations if one.kind == kind and one.field in (ANY, field)), None)
