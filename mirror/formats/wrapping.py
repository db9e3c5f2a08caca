"""A record's body as the message that a server would keep: most are one; bare items and texts are put into one.

Values in, values out.
"""

from mirror.formats.errors import BadMessage
from mirror.formats.message import MIME, parse_message, serialize_message
from mirror.model.keys import MESSAGE_PREFIX
from mirror.model.kinds import ITEM_PREFIX

_TYPES = {b"begin:vcalendar": b"text/calendar", b"begin:vcard": b"text/x-vcard"}


def wrapped(body: bytes, key: str, seconds: str) -> bytes:
    """Return a body as a message: itself, or one of that time (decimal Unix seconds) and of its key's id."""
    try:
        parse_message(body)
    except BadMessage:
        begin = body.lstrip()[:20].lower()
        kind = next((kind for mark, kind in _TYPES.items() if begin.startswith(mark)), b"text/plain")
        letter, prefix = ("E", ITEM_PREFIX) if key.startswith(ITEM_PREFIX) else ("I", MESSAGE_PREFIX)
        text = b"Content-type: %s; charset=UTF-8\n\n%s" % (kind, body.replace(b"\0", b""))
        fields = [("T", seconds.encode()), (letter, key.removeprefix(prefix).encode()), ("M", text)]
        return serialize_message(fields, MIME)
    return body
