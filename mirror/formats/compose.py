"""Making new messages and items the way Citadel's server would have stored them."""

import secrets
from typing import NamedTuple

from mirror.formats.errors import CitadelError
from mirror.formats.message import FLOWING, MIME, serialize_message


class Composed(NamedTuple):
    """A message's key and bytes."""

    key: str
    body: bytes


def compose_post(node: str, author: str, room: str, subject: str, text: str, seconds: int) -> Composed:
    """Return a plain post.  ``seconds`` is Unix time."""
    message_id = _message_id(node, seconds)
    fields = [("I", message_id), ("T", str(seconds)), ("A", author), ("O", room), ("U", subject), ("M", text)]
    return Composed(f"id:{message_id}", _serialize(fields, FLOWING))


def compose_event(node: str, author: str, room: str, calendar: bytes, seconds: int) -> list[Composed]:
    """Return one message per UID in an iCalendar file.  Raises CitadelError."""
    from icalendar import Calendar

    try:
        parsed = Calendar.from_ical(calendar)
    except (ValueError, KeyError, IndexError) as error:
        raise CitadelError(f"it is no iCalendar file: {error}") from None
    by_uid: dict[str, list[object]] = {}
    zones = [part for part in parsed.subcomponents if part.name == "VTIMEZONE"]
    for part in parsed.subcomponents:
        if part.name in ("VEVENT", "VTODO", "VJOURNAL"):
            if not part.get("UID"):
                raise CitadelError(f"a {part.name} in it has no UID")
            by_uid.setdefault(str(part["UID"]), []).append(part)
    if not by_uid:
        raise CitadelError("it has no event, task or journal entry")
    return [_item(node, author, room, uid, zones, parts, seconds) for uid, parts in by_uid.items()]


def _item(node: str, author: str, room: str, uid: str, zones: list, parts: list, seconds: int) -> Composed:  # type: ignore[type-arg]
    from icalendar import Calendar

    whole = Calendar()
    whole.add("PRODID", "-//citadel-mirror//EN")
    whole.add("VERSION", "2.0")
    for part in [*zones, *parts]:
        whole.add_component(part)
    text = "Content-type: text/calendar; charset=UTF-8\r\n\r\n" + whole.to_ical().decode("utf-8")
    subject = str(parts[0].get("SUMMARY", ""))
    fields = [("I", _message_id(node, seconds)), ("T", str(seconds)), ("A", author), ("O", room), ("U", subject),
              ("E", uid), ("M", text)]  # fmt: skip
    return Composed(f"euid:{uid}", _serialize(fields, MIME))


def _message_id(node: str, seconds: int) -> str:
    return f"{seconds:08X}-{secrets.randbits(32):08X}@{node}"


def _serialize(fields: list[tuple[str, str]], format: int) -> bytes:
    return serialize_message([(letter, value.encode()) for letter, value in fields if value], format)
