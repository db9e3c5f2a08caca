"""What must hold of honest nodes at the end of a hostile schedule, and on the way there.

They are equal, but for what one of them has the right not to take; no bound was broken, no store is damaged, and what
honest users wrote is there.  Judges alone: changes nothing, and knows of no hostile party what it does.
"""

from collections.abc import Container, Iterator, Mapping, Sequence

from mirror.model.judge import Unfit, sort_out
from mirror.model.keys import split_key
from mirror.model.record import Record, Version, covers, created, vector_of
from mirror.simulation.acceptable import unacceptable
from mirror.simulation.ending import everything, holdings, note_conflicts
from mirror.simulation.node import SimulatedNode
from mirror.simulation.sharing import PER_ROOM, name_of, room_key, server_of
from mirror.simulation.stage import Stage
from mirror.store.base import Reader
from mirror.store.check import check_store
from mirror.store.ledger.admitting import MAX_ASIDE
from mirror.store.ledger.sorting import MAX_ORIGINS_SHARE

TOO_MANY_ORIGINS, CLAIMED = "origins that may come", "of which more is known here"
"""Why a node takes something of a partner never."""


class Honest:
    """The honest nodes, by their names, two of which may share a room."""

    def __init__(self, stage: Stage, nodes: Mapping[str, SimulatedNode], sharing: tuple[str, str], room: str) -> None:
        self._stage, self._nodes, self._sharing, self._room = stage, nodes, sharing, room

    def missing(self, made: Sequence[Sequence[Record]], excused: Container[str]) -> Iterator[str]:
        """Yield to whom what was written at a node has not come: of a partner's that is what is in the shared room."""
        refused = {reader.name: {*self._refused(reader)} for reader in self._stage.nodes}
        for writer, records in zip(self._stage.nodes, made, strict=True):
            if writer.name in excused:
                continue
            for reader in self._stage.nodes:
                ours, theirs = server_of(writer.name), server_of(reader.name)
                for record in records if ours == theirs else records[1:]:
                    collection = record.collection.replace(f"/{ours}:", f"/{theirs}:")
                    is_refused = (name_of(collection), record.key) in refused[reader.name]
                    if not (is_refused or _holds(reader, collection, record)):
                        yield f"what {writer.name} wrote as {collection} {record.key} does not come to {reader.name}"

    def unequal(self) -> Iterator[str]:
        """Yield in what the honest nodes differ."""
        mirrors = [node for node in self._stage.nodes if server_of(node.name) == "a"]
        names = {node.name for node in mirrors}
        # While something of a mirror is set aside, until its time comes, its horizon is not taken over.
        waiting = any(names & {*node.store.peek(lambda reader: reader.aside_counts())} for node in mirrors)
        held = {node.name: holdings(node, not waiting) for node in mirrors}
        if len({*held.values()}) > 1:
            yield "not equal once the others are gone: " + "; ".join(f"{name} {what}" for name, what in held.items())
        if {*self._sharing} <= self._nodes.keys():
            ends = [self._nodes[name] for name in self._sharing]
            refused = {thing for node in ends for thing in self._refused(node)}
            # What is older than deletions that one of them has forgotten is neither given nor taken.
            since = max(node.store.peek(lambda reader: reader.horizon()) for node in ends)
            ours, theirs = (self._in_room(node, refused, since) for node in ends)
            if ours != theirs:
                differing = sorted({thing for thing, _ in ours ^ theirs})[:5]
                yield f"the room that {self._sharing[0]} shares with {self._sharing[1]} differs in {differing}"

    def _refused(self, node: SimulatedNode) -> Iterator[tuple[str, str]]:
        """Yield what a node has the right not to take of a partner.

        That is what names too many origins, or says to have seen a version of the node's own that it never wrote.
        """
        for one in node.store.peek(lambda reader: reader.aside(limit=10_000)):
            reason = one.unfit.reason
            if TOO_MANY_ORIGINS in reason or (CLAIMED in reason and self._is_invented(node, one.unfit)):
                yield name_of(one.unfit.collection), split_key(one.unfit.key)[0]

    def _is_invented(self, node: SimulatedNode, unfit: Unfit) -> bool:
        """Tell whether a record names a version of a node that nobody wrote there: a user's client invented it."""
        found = sort_out(unfit.data)
        origin = node.store.peek(lambda reader: reader.origin())
        if not isinstance(found, Record):
            return False
        stamp = vector_of(found).get(origin, 0)
        return bool(stamp) and not self._stage.ledger.was_written(found, Version(stamp, origin))

    def _in_room(
        self, node: SimulatedNode, refused: Container[tuple[str, str]], since: int
    ) -> set[tuple[tuple[str, str], tuple[int, str, bool]]]:
        collections = [f"{kind}/{room_key(server_of(node.name), self._room)}" for kind in PER_ROOM]
        found = node.store.peek(lambda reader: [one for name in collections for one in reader.scan(name, limit=9999)])
        return {
            ((name_of(one.collection), one.key), (one.stamp, one.origin, one.dead))
            for one in found
            if (not one.collection.startswith("visits/") or " " in one.key)
            and (name_of(one.collection), split_key(one.key)[0]) not in refused
            and created(one) >= since
        }

    def judge(self, invented: bool) -> None:
        """Note all that is wrong in the end; ``invented``, where somebody may tell of any number of origins."""
        stage = self._stage
        finals = {node.name: node.store.peek(everything) for node in stage.nodes}
        for node in stage.nodes:
            note_conflicts(stage, node)
            stage.outcome.problems += [f"{node.name}: {problem}" for problem in check_store(node.store).problems]
            stage.outcome.problems += self._bounds(node, invented)
            stage.outcome.problems += node.store.peek(_unacceptable)
            if server_of(node.name) == "a" and finals[node.name] != finals["a1"]:
                stage.problem(f"{node.name} has equal digests, but not equal records")
        for server in sorted({server_of(name) for name in self._nodes}):
            names = {name for name in self._nodes if server_of(name) == server}
            stage.outcome.problems += stage.ledger.problems(finals[f"{server}1"], names)

    def _bounds(self, node: SimulatedNode, invented: bool) -> Iterator[str]:
        """Yield which bounds a party broke at a node, and whether its clock was moved."""
        for peer, count in node.store.peek(lambda reader: reader.aside_counts()).items():
            if count > MAX_ASIDE:
                yield f"{node.name}: {count} records of {peer} are set aside"
        origins = len(node.store.peek(lambda reader: reader.heard()).newest)
        if origins > 2 * MAX_ORIGINS_SHARE and not invented and node.name == "a1":
            yield f"{node.name}: {origins} origins came through shared rooms"
        if node.store.clock.last > node.store.clock.limit():
            yield f"{node.name}: its clock is ahead"


def _holds(node: SimulatedNode, collection: str, record: Record) -> bool:
    """Tell whether a node holds a version, by whatever name its collection has there, or what took its place."""
    held = node.store.peek(lambda reader: reader.get(collection, record.key))
    return held is not None and (covers(held, record) or (held.era, held.version) > (record.era, record.version))


def _unacceptable(reader: Reader) -> list[str]:
    """Return what a store holds that some node would refuse."""
    return [what for name in reader.digests() for one in reader.scan_all(name) for what in unacceptable(one)]
