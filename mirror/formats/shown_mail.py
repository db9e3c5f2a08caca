"""A record of a message as a file of mail, the same for everybody who has the record.  Values in, values out."""

from mirror.formats.errors import BadMessage
from mirror.formats.internet import mail_file
from mirror.formats.keys import message_id
from mirror.formats.mail import is_file
from mirror.formats.maildir import message_name
from mirror.formats.message import Message, parse_message
from mirror.formats.numbers import number_or_zero
from mirror.formats.wrapping import wrapped
from mirror.model.kinds import parse_collection
from mirror.model.record import Record, unpack_head
from mirror.model.stamp import stamp_ms


def shown_mail(record: Record, message: Message) -> bytes:
    """Return a living record of a message as a file of RFC 5322.  Raises BadRecord."""
    number = number_or_zero(str(unpack_head(record.head).get("msg_msgnum", "")))
    return mail_file(message, message_id(message, _node(record), number), is_file(record.head))


def message_in(record: Record, body: bytes) -> Message:
    """Return the message that a record is of, whatever its body is."""
    try:
        return parse_message(body)
    except BadMessage:
        return parse_message(wrapped(body, record.key, str(seconds_of(record))))


def seconds_of(record: Record) -> int:
    """Return when a version was written (Unix seconds)."""
    return stamp_ms(record.stamp) // 1000


def name_in_maildir(record: Record) -> str:
    """Return what a message's file is called in a Maildir, without flags."""
    return message_name(record.collection, record.key, seconds_of(record), _node(record) or "mirror")


def _node(record: Record) -> str:
    return parse_collection(record.collection).room.rpartition(":")[0]
