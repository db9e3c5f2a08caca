"""What is for the administrator: how the node is, conflicts and check."""

import base64
import time
from collections.abc import Callable, Iterator
from functools import partial

from mirror.config.errors import ConfigError
from mirror.model.nodes import Heard
from mirror.server.conflicts import describe_conflict
from mirror.server.known import Served, Told, known_nodes
from mirror.server.node import Node
from mirror.server.session import Session
from mirror.server.table import Asked
from mirror.store.base import Reader, Reading
from mirror.store.check import check_store
from mirror.store.errors import StoreError
from mirror.store.mend import mend_store
from mirror.store.values import Aside, Conflict, Listing
from mirror.sync.clock import format_ms
from mirror.sync.copying import unfinished
from mirror.sync.twins import written_elsewhere
from mirror.wire.answers import format_applied, format_check, format_place
from mirror.wire.bulk import parse_comparison
from mirror.wire.errors import ProtocolError, Refused
from mirror.wire.lines import Code
from mirror.wire.status import AsideStatus, ClockStatus, ConflictStatus, KnownNode, NodeStatus, PeerClock, SessionStatus
from mirror.wire.values import CheckResult


def tell_status(session: Session, _asked: Asked) -> None:
    """status: the node, who is connected, and its links."""
    node = session.node
    root, conflicts, aside, copies, twin, heard = node.store.read(
        lambda reader: (
            reader.root(),
            reader.conflict_count(),
            reader.aside_counts(),
            unfinished(reader),
            written_elsewhere(reader),
            reader.heard(),
        )
    )
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
        aside=aside,
        clock=node.clock.notes(),
        copying=sorted(copies),
        twins=[*([twin] if twin else []), *node.twins.notes()],
        attachments=node.attachments.statuses(),
        running=node.reload is not None,
        nodes=_known(node, heard, root.sequence),
    )
    session.send_json([status])


def _known(node: Node, heard: Heard, sequence: int) -> list[KnownNode]:
    served = [
        Served(session.party.name, session.sent, session.caught_up)
        for session in node.sessions
        if session.party is not None and session.party.is_node
    ]
    links = [link.status for link in node.links.values()]
    told = Told(time.time(), links, served, node.last_seen, node.last_sent, heard.signs)
    return known_nodes(node.config.node, node.config.peers, told, lambda sent: max(0, sequence - sent))


def verify(session: Session, _asked: Asked, peer: str) -> None:
    """verify: have a peer that dials us compare, and tell what it found."""
    node = session.node

    def following() -> list[Callable[[str], None]]:
        return [
            other.compare
            for other in node.sessions
            if other.party is not None
            and other.party.is_node
            and other.party.name == peer
            and other.compare is not None
        ]

    if not following():
        raise Refused(Code.NOT_FOUND, f"{peer} dials this node, and does not follow it now: 'ctdlmirror status' tells")
    session.send_json([node.comparing.ask(peer, following()[0], lambda: bool(following()))])


def take_comparison(session: Session, _asked: Asked, name: str) -> None:
    """compared: take what a peer found that was asked to compare."""
    party = session.require_party()
    if not party.is_node:
        raise Refused(Code.ACCESS, "this is for peers that were asked to compare")
    session.reply(Code.SEND_LISTING, "send what was found")
    batches = session.channel.read_batches()
    first = next(batches, None)
    if first is None or next(batches, None) is not None:
        raise ProtocolError("the outcome of one comparison was expected")
    session.node.comparing.told(party.name, name, parse_comparison(first))
    session.reply(Code.OK, "told")


def reload(session: Session, _asked: Asked) -> None:
    """reload: take over changed settings and certificate; what is wrong with them is told, and changes nothing."""
    if session.node.reload is None:
        raise Refused(Code.ILLEGAL, "no daemon runs here")
    try:
        notes = session.node.reload()
    except (ConfigError, StoreError) as error:
        raise Refused(Code.ILLEGAL, str(error)) from None
    session.send_listing("Reloaded.", notes)


MAX_ASIDE_SHOWN = 10_000
"""Records set aside that are told at once."""


def tell_aside(session: Session, _asked: Asked, peer: str) -> None:
    """aside: what was set aside of one peer, or of all."""

    def job(reader: Reader) -> list[AsideStatus]:
        found = reader.aside(peer, MAX_ASIDE_SHOWN)
        own = {
            (name, one.theirs.key, one.collection): one.own
            for name in {one.peer for one in found}
            for one in reader.substitutes(name)
        }
        return [_aside_status(one, own.get((one.peer, one.unfit.key, one.unfit.collection))) for one in found]

    session.send_json(session.node.store.read(job))


def _aside_status(one: Aside, own: Listing | None) -> AsideStatus:
    unfit = one.unfit
    return AsideStatus(
        one.peer,
        unfit.collection,
        unfit.key,
        unfit.stamp,
        f"{unfit.crc:016x}",
        unfit.reason,
        one.noticed_ms,
        one.due_ms,
        len(unfit.data),
        own.stamp if own is not None else 0,
        f"{own.crc:016x}" if own is not None else "",
        base64.b64encode(unfit.data).decode(),
    )


def retry_aside(session: Session, _asked: Asked) -> None:
    """retry-aside: try again all that was set aside."""
    session.node.single_user.check_open()
    applied = session.node.store.write(lambda writer: writer.retry_aside(everything=True))
    session.reply(Code.OK, format_applied(applied))


def forget_aside(session: Session, _asked: Asked, peer: str) -> None:
    """forget-aside: forget what was set aside of a peer."""
    session.reply(Code.OK, str(session.node.store.write(lambda writer: writer.forget_aside(peer))))


ALL = "all"
"""Asks for resolved conflicts too."""


def tell_conflicts(session: Session, _asked: Asked, which: int | str | None) -> None:
    """conflicts: those that nobody has resolved, all, or one by its number."""
    if isinstance(which, int):
        found = session.node.store.read(lambda reader: _describe(reader, reader.conflicts(which)))
        if not found:
            raise Refused(Code.NOT_FOUND, f"there is no conflict {which}")
        session.send_json(found)
        return
    session.send_json(list(_all_conflicts(session.node.store, which == ALL)))


def _all_conflicts(store: Reading, every: bool) -> Iterator[ConflictStatus]:
    """Yield all conflicts, newest first, however many there are."""
    before = 0
    while page := store.read(partial(_page_of_conflicts, every=every, before=before)):
        yield from page
        before = page[-1].number


def _page_of_conflicts(reader: Reader, every: bool, before: int) -> list[ConflictStatus]:
    return _describe(reader, reader.conflicts(unresolved=not every, before=before))


def _describe(reader: Reader, conflicts: list[Conflict]) -> list[ConflictStatus]:
    return [describe_conflict(reader, conflict) for conflict in conflicts]


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


MEND = "mend"
"""Asks for what can be mended to be mended before."""


def check(session: Session, _asked: Asked, mend: str | None) -> None:
    """check: compute every CRC, digest and content again, after what no node takes was written anew if so asked."""
    if mend is not None:
        session.node.single_user.check_open()
    mended = mend_store(session.node.store) if mend is not None else []
    report = session.node.store.run(check_store)
    found = CheckResult(report.records, report.contents, tuple(report.problems), tuple(mended))
    session.send_listing(*format_check(found))


def tell_clock(session: Session, _asked: Asked) -> None:
    """clock: what this machine's clock says, what its witnesses say, and what is ahead of it."""
    guard, clock = session.node.clock, session.node.store.clock
    limit = clock.limit()
    committed_ms, ahead = session.node.store.read(lambda reader: (reader.committed_ms(), reader.count_ahead(limit)))
    peers = [PeerClock(peer, heard.theirs_ms, heard.ours_ms) for peer, heard in sorted(guard.heard.items())]
    doubt = guard.doubt()
    session.send_json([ClockStatus(clock.now_ms(), committed_ms, clock.last, limit, doubt, peers, ahead)])


def accept_clock(session: Session, _asked: Asked) -> None:
    """accept-clock: believe this machine's clock, whatever its witnesses say."""
    session.node.clock.accept()
    session.node.store.write(lambda writer: None)  # so that the last commit is of a time that is believed
    session.reply(Code.OK, format_ms(session.node.clock.now_ms()))
