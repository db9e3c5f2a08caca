"""The first copy from another node: in single-user mode until its state is pinned, then streamed and verified.

Tells its progress to whoever wants to show it, and returns what it did; asks nobody anything.
"""

import enum
from collections.abc import Callable, Iterator, Sequence

import msgspec

from mirror.peer.prefetch import prefetch
from mirror.peer.remote import ChannelRemote
from mirror.store.base import Store
from mirror.sync.bootstrap import copy_all, mark_begun, refuse_full
from mirror.sync.copying import CopyKind
from mirror.wire.codec import ContentRequest, Cursor
from mirror.wire.values import ContentPart, Page, State

SINGLE_USER_WAIT_S = 120
"""Seconds that the other node's users get to finish, unless told otherwise."""
SINGLE_USER_EXPIRE_S = 500
"""Seconds of silence after which the other node goes back to multi-user mode by itself."""


class NodeStage(enum.Enum):
    """What a first copy is at: waiting for the node's users to finish (seconds), storing what it has (records)."""

    SINGLE_USER = "single-user mode"
    RECORDS = "records"


Progress = Callable[[NodeStage, int, int | None], None]
"""Told when a stage begins and as it goes on: how much is done, of how much (None where nobody knows)."""


class Bootstrapped(msgspec.Struct):
    """What a first copy did; ``unequal`` names the collections that differ afterwards, which should be none.

    ``collections`` and ``records`` are what the other node holds.  ``partial`` names the nodes of whose data that one
    holds a part alone, since it is a copy itself that is not at its end.
    """

    peer: str
    resumed: bool
    written: int
    already_held: int
    conflicts: int
    collections: int
    records: int
    unequal: list[str]
    received_bytes: int
    partial: list[str]


def copy_node(
    store: Store,
    dial: Callable[[], ChannelRemote],
    peer: str,
    *,
    wait_s: int | None = SINGLE_USER_WAIT_S,
    merge: bool = False,
    progress: Progress | None = None,
) -> Bootstrapped:
    """Take over all that the node named ``peer`` has.  Repeated after an interruption, it goes on.

    ``dial`` is called twice: contents come on a connection of their own.  The node's users get ``wait_s`` seconds to
    finish; with None its single-user mode is not asked for.  Without ``merge`` a store that holds something else is
    refused with StoreError.  Raises ConnectionLost, Refused; what was committed stays.
    """
    if not merge:
        refuse_full(store, peer)
    bulk, bodies = dial(), dial()
    try:
        tell = progress or (lambda _stage, _done, _total: None)
        if wait_s is not None:
            tell(NodeStage.SINGLE_USER, 0, wait_s)
        state = _pin(bulk, wait_s)
        return _copy(store, bulk, bodies, peer, state, merge, tell)
    finally:
        bulk.channel.close()
        bodies.channel.close()


def _pin(bulk: ChannelRemote, wait_s: int | None) -> State:
    """Have a node's state pinned, while none of its users changes anything unless ``wait_s`` is None."""
    if wait_s is None:
        return bulk.pin()
    usual = bulk.channel.timeout
    bulk.channel.set_timeout(None if usual is None else usual + wait_s)
    bulk.channel.ask(f"SNGL {wait_s}|{SINGLE_USER_EXPIRE_S}")
    bulk.channel.set_timeout(usual)
    state = bulk.pin()
    bulk.channel.ask("ESNG")
    return state


def _copy(
    store: Store,
    bulk: ChannelRemote,
    bodies: ChannelRemote,
    peer: str,
    state: State,
    merge: bool,
    progress: Progress,
) -> Bootstrapped:
    empty = store.read(lambda reader: reader.is_empty())
    merging = merge and not empty
    mark_begun(store, peer, CopyKind.MERGED if merging else CopyKind.PLAIN)
    total, done = state.digest.count if empty else None, 0
    progress(NodeStage.RECORDS, done, total)

    def stored(records: int, _bytes: int) -> None:
        nonlocal done
        done += records
        progress(NodeStage.RECORDS, done, total)

    copied = copy_all(store, ReadAhead(bulk, bodies), state, merging=merging, progress=stored)
    return Bootstrapped(
        peer=peer,
        resumed=copied.resumed,
        written=copied.applied.written,
        already_held=copied.applied.already_held,
        conflicts=copied.applied.conflicts,
        collections=len(state.collections or {}),
        records=state.digest.count,
        unequal=copied.unequal,
        received_bytes=bulk.channel.received + bodies.channel.received,
        partial=state.partial.split(),
    )


class ReadAhead:
    """A remote that reads the feed ahead on one connection and contents on another."""

    def __init__(self, bulk: ChannelRemote, bodies: ChannelRemote) -> None:
        self._bulk = bulk
        self._bodies = bodies
        self.info = bulk.info
        self.heard = bulk.heard
        self.get = bulk.get
        self.ranges = bulk.ranges
        self.lacks = bulk.lacks
        self.offer = bulk.offer

    def since(self, cursor: Cursor) -> Iterator[Page]:
        return prefetch(self._bulk.since(cursor))

    def body(self, requests: Sequence[ContentRequest]) -> Iterator[ContentPart]:
        return prefetch(self._bodies.body(requests))
