"""What is for the administrator: how the node is, conflicts, backup and check."""

import time
from pathlib import Path

from mirror.server.conflicts import describe_conflict
from mirror.server.session import Session
from mirror.server.table import Asked
from mirror.store.base import Reader
from mirror.store.check import check_store
from mirror.wire.answers import format_check, format_place
from mirror.wire.errors import Refused
from mirror.wire.lines import Code, clean
from mirror.wire.status import ConflictStatus, NodeStatus, SessionStatus
from mirror.wire.values import CheckResult


def tell_status(session: Session, _asked: Asked) -> None:
    """status: the node, who is connected, and its links."""
    node = session.node
    root, conflicts = node.store.read(lambda reader: (reader.root(), reader.conflict_count()))
    parties = [other.party for other in node.sessions if other.party is not None and other is not session]
    status = NodeStatus(
        node=node.config.node,
        epoch=root.epoch,
        sequence=root.sequence,
        records=root.digest.count,
        newest=root.digest.newest,
        digest=f"{root.digest.total:016x}",
        mode=node.single_user.mode.value,
        holder=node.single_user.holder,
        uptime_s=int(time.time() - node.started),
        addresses=node.addresses,
        conflicts=conflicts,
        sessions=[SessionStatus(party.kind, party.name) for party in parties],
        links=[link.status for link in node.links.values()],
    )
    session.send_json([status])


ALL = "all"
"""Asks for resolved conflicts too."""


def tell_conflicts(session: Session, _asked: Asked, which: int | str | None) -> None:
    """conflicts: those that nobody has resolved, all, or one by its number."""
    number = which if isinstance(which, int) else None

    def job(reader: Reader) -> list[ConflictStatus]:
        return [describe_conflict(reader, found) for found in reader.conflicts(number, unresolved=which != ALL)]

    found = session.node.store.read(job)
    if number is not None and not found:
        raise Refused(Code.NOT_FOUND, f"there is no conflict {number}")
    session.send_json(found)


def restore(session: Session, _asked: Asked, number: int) -> None:
    """restore: make the losing version of a conflict the newest."""
    session.node.single_user.check_open()
    record = session.node.store.write(lambda writer: writer.restore(number))
    session.reply(Code.OK, format_place(record.collection, record.key))


def dismiss(session: Session, _asked: Asked, number: int) -> None:
    """dismiss: resolve a conflict as it stands."""
    session.node.single_user.check_open()
    session.node.store.write(lambda writer: writer.dismiss(number))
    session.reply(Code.OK, str(number))


def keep_both(session: Session, _asked: Asked, number: int) -> None:
    """keep-both: write the losing version of a conflict as a thing of its own."""
    session.node.single_user.check_open()
    record = session.node.store.write(lambda writer: writer.keep_both(number))
    session.reply(Code.OK, format_place(record.collection, record.key))


def check(session: Session, _asked: Asked) -> None:
    """check: compute every CRC, digest and content again."""
    report = session.node.store.run(check_store)
    found = CheckResult(report.records, report.contents, tuple(report.problems))
    session.send_listing(*format_check(found))


def back_up(session: Session, _asked: Asked, destination: Path) -> None:
    """backup: write the whole store to a new file."""
    session.node.store.run(lambda store: store.backup(destination))
    session.reply(Code.OK, clean(str(destination)))
