"""Questions about a store that other questions answer: what every backend's Reader has beyond its tables."""

import hashlib
import json
from collections.abc import Iterator
from typing import Protocol

from mirror.model.kinds import HORIZON_KEY, NODES
from mirror.model.nodes import Heard, Horizon, horizon_of, vector_held
from mirror.model.record import Record
from mirror.model.stamp import stamp_ms
from mirror.store.base import COMING_AGAIN, COMMITTED, Reader
from mirror.store.values import RootState


def apart(content: bytes, party: str) -> bytes:
    """Return under which name a content is kept that a party sends, until it is proved; no content has that name."""
    return hashlib.sha256(b"under way from " + party.encode() + b"\0" + content).digest()


class Questions(Reader, Protocol):
    """A Reader whose backend has yet to answer what needs its tables."""

    def newest_by_origin(self) -> dict[str, int]:
        """Return, by origin, the stamps up to which all that it wrote is here, or was."""
        ...

    def shared_origins(self) -> frozenset[str]:
        """Return the origins that came through shared rooms, and not from a mirror."""
        ...

    def root(self) -> RootState:
        """Return the digest over everything and the end of the feed, in O(1)."""
        return RootState(self.epoch, self.last_sequence(), self.digest(""), self.horizon())

    def content_under_way(self, content: bytes, party: str) -> int:
        """Return how many bytes of a content are stored that a party has sent, until it is proved."""
        return self.content_have(apart(content, party))

    def horizon(self) -> int:
        """Return the stamp before which tombstones were dropped here; 0 when none were."""
        return self.meta_number("horizon")

    def committed_ms(self) -> int:
        """Return when the store was last written; where an older version wrote it, the time of its newest stamp."""
        return self.meta_number(COMMITTED) or stamp_ms(self.meta_number("clock"))

    def trimmed(self) -> int:
        """Return the last place in the feed that held a tombstone which was dropped."""
        return self.meta_number("trimmed")

    def coming_again(self) -> dict[str, int]:
        """Return, by peer that rooms are shared with, how often what was set aside of it was to come again."""
        counted: dict[str, int] = json.loads(self.meta_text(COMING_AGAIN, "{}"))
        return counted

    def origin(self) -> str:
        """Return under which name this store writes: the node's, or after a restore another one."""
        return self.meta_text("origin", self.node)

    def own_sign(self) -> Record | None:
        """Return the last sign of life that was written here."""
        return self.get(NODES, self.origin())

    def is_empty(self) -> bool:
        """Tell whether nothing is here but signs of life."""
        return self.digest("").count == self.digest(NODES).count

    def signs(self) -> list[Record]:
        """Return all nodes' signs of life that came here, the horizon among them."""
        return list(self.scan_all(NODES))

    def heard(self) -> Heard:
        """Return what this node has heard of all others."""
        signs = self.signs()
        marker = next((record for record in signs if record.key == HORIZON_KEY), None)
        return Heard(horizon_of(marker), vector_held(signs), self.newest_by_origin(), self.shared_origins())

    def reaches(self, horizon: Horizon) -> bool:
        """Tell whether every tombstone from before a horizon is here, or was, or what replaced it."""
        return horizon.stamp <= self.horizon() or horizon.known_by(vector_held(self.signs()))

    def get(self, collection: str, key: str) -> Record | None:
        """Return one record (maybe a tombstone), or None."""
        return next(iter(self.get_many(collection, [key])), None)

    def scan_all(self, collection: str, prefix: str = "") -> Iterator[Record]:
        """Yield all records of a collection that are alive, page by page."""
        after = ""
        while page := self.scan(collection, after, prefix):
            yield from (record for record in page if not record.dead)
            after = page[-1].key

    def body(self, record: Record) -> bytes:
        """Return a record's body wherever it is kept; meant for items and people, not for bulk."""
        return self.content_parts(record.content, 0, record.size) if record.content else record.body
