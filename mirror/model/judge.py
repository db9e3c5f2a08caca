"""The one judge: what every node of this protocol takes.

What a peer sends, what a client drafts, what an import finds and what merging makes is measured by this alone.  A node
that took or wrote anything else would stop replication with every other one for good.
"""

from mirror.model.errors import BadRecord
from mirror.model.kinds import NODES, check_collection
from mirror.model.merge import check_head
from mirror.model.nodes import horizon_of, newest_seen, vector_seen
from mirror.model.record import Record, validate


def judge(record: Record) -> None:
    """Raise BadRecord, saying what is wrong, unless every node would take a record."""
    check_collection(record.collection)
    validate(record)
    if not record.dead:
        check_head(record)
        if record.collection == NODES:
            _judge_sign(record)


def finding(record: Record) -> str:
    """Return what is wrong with a record in a line, or an empty string."""
    try:
        judge(record)
    except BadRecord as error:
        return str(error)
    return ""


def _judge_sign(record: Record) -> None:
    """Raise BadRecord unless what a node says of itself can be read."""
    horizon_of(record)
    newest_seen(record)
    vector_seen(record)
