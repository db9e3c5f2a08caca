"""What an administrator is told of a conflict: what it is about, in words, and what is kept now."""

from mirror.store.base import Reader
from mirror.store.values import Conflict
from mirror.sync.words import describe_record, message_in
from mirror.wire.readable import record_as_json
from mirror.wire.status import ConflictStatus, WinnerStatus


def describe_conflict(reader: Reader, conflict: Conflict) -> ConflictStatus:
    """Return what an administrator is told of a conflict."""
    current = reader.get(conflict.loser.collection, conflict.loser.key)
    message = message_in(reader, conflict.loser)
    return ConflictStatus(
        number=conflict.number,
        what=describe_record(reader, conflict.loser, message),
        noticed_ms=conflict.noticed_ms,
        restored_ms=conflict.resolved_ms,
        winner=WinnerStatus(conflict.winner.stamp, conflict.winner.origin),
        loser=record_as_json(conflict.loser),
        text=message.text("M") if message is not None else None,
        now=record_as_json(current) if current is not None else None,
    )
