"""One schedule of servers that share rooms: rules that change, mirrors with partners, faults, and the checks."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import msgspec

from mirror.model.kinds import parse_collection
from mirror.model.merge import merge
from mirror.model.record import Record, created
from mirror.simulation.audit import Auditor
from mirror.simulation.ending import everything, holdings, note_conflicts
from mirror.simulation.faults import Faults
from mirror.simulation.ledger import Ledger, Thing, by_text
from mirror.simulation.linking import Link
from mirror.simulation.node import SimulatedNode
from mirror.simulation.sharing import (
    PER_ROOM,
    ROOMS,
    SHARED_ROOMS,
    Administrators,
    ShareUsers,
    Sharing,
    exchange_with,
    make_rooms,
    name_of,
    room_key,
    room_name,
    room_number,
    server_of,
)
from mirror.simulation.stage import START_MS, Outcome, Stage
from mirror.simulation.wording import EVERYTHING, Lines, random_wording
from mirror.store.check import check_store
from mirror.sync.horizon import Keeping

TROUBLE_MS = 30_000
"""How long users write and faults happen (virtual milliseconds)."""
KEEPING = Keeping(10 * TROUBLE_MS, 2_000, 2_000)
FORGETTING = Keeping(8_000, 1_000, 1_000)
"""In a quarter of the schedules deletions are forgotten while all goes on."""
HEALING_MS = 120_000
CATCHING_UP_MS = 20_000
"""How long a server's mirrors have until an administrator has seen what others did to a room's lines."""
LAYOUTS = {
    "pair": (("a1", "b1"), [("b1", "a1")]),
    "hub": (("a1", "b1", "c1"), [("b1", "a1"), ("c1", "a1")]),
    "line": (("a1", "b1", "c1"), [("b1", "a1"), ("b1", "c1")]),
    "mirrors": (("a1", "a2", "b1"), [("a1", "b1")]),
    "mirrors with one partner": (("a1", "a2", "b1"), [("a1", "b1"), ("b1", "a2")]),
    "mirrors with mirrors": (("a1", "a2", "b1", "b2"), [("a1", "b1"), ("a2", "b2")]),
    "triangle": (("a1", "b1", "c1"), [("a1", "b1"), ("b1", "c1"), ("c1", "a1")]),
}
"""Nodes, and who dials whom to share rooms; in half of the schedules they dial back."""


class ShareSchedule:
    """Runs one seed.  Use once."""

    def __init__(self, seed: int) -> None:
        self.stage = stage = Stage(seed)
        stage.ledger = Ledger(name_of)
        chance, outcome = stage.chance, stage.outcome
        outcome.topology = chance.choice(list(LAYOUTS))
        names, dials = LAYOUTS[outcome.topology]
        outcome.nodes = len(names)
        stage.nodes += [SimulatedNode(stage.world, name) for name in names]
        self.by_name = {node.name: node for node in stage.nodes}
        back = [(there, here) for here, there in dials if chance.random() < 0.5]
        self.dials = [*dials, *back]
        pairs = sorted({*dials, *((there, here) for here, there in dials)})
        self.pairs = [(self.by_name[here], self.by_name[there]) for here, there in pairs]
        self.admins = Administrators(stage, pairs)
        self.auditor = Auditor(stage, self.admins.worded)
        stage.network.audit = self.auditor
        self.faults = Faults(stage, self._bring_up, partial(note_conflicts, stage), 0)
        self.keeping = FORGETTING if chance.random() < 0.25 else KEEPING
        self.sharing = Sharing(stage, self.keeping, ShareUsers(stage), 2000, self._peers_of, self._share_link)
        self.final: dict[tuple[str, str], Lines] = {}

    def run(self) -> Outcome:
        """Run it to its end."""
        self._begin()
        self.stage.world.run(START_MS + TROUBLE_MS)
        self._heal()
        self._settle()
        self._judge()
        return self.stage.end()

    # -- the beginning ----------------------------------------------------------------------------

    def _begin(self) -> None:
        stage, chance = self.stage, self.stage.chance
        for node in stage.nodes:
            node.offset = chance.randint(-3000, 3000)
            self._bring_up(node)
            if node.name.endswith("1"):
                node.store.write(partial(make_rooms, server=server_of(node.name)))
        for number in SHARED_ROOMS:
            for node in stage.nodes:
                if node.name.endswith("1") and chance.random() < 0.7:
                    self.admins.write(node, number, dict.fromkeys(self.admins.peers(server_of(node.name)), EVERYTHING))
        stage.roughen((5, 50, 300))
        if self.keeping is FORGETTING:
            stage.outcome.faults.append("forgetting")
        faults = self.faults
        faults.begin((faults.partitions, faults.crashes, faults.wrong_clocks, faults.backups), 0)
        if chance.random() < 0.8:
            stage.outcome.faults.append("changing rules")
            stage.world.spawn(self._change_rules, lambda: stage.troubled)

    def _bring_up(self, node: SimulatedNode) -> None:
        node.start()
        self.auditor.begin(node)
        self.sharing.begin(node)

    def _peers_of(self, node: SimulatedNode) -> list[str]:
        return [there.name for here, there in self.pairs if here is node]

    def _share_link(self, node: SimulatedNode, peer: str, unchanged: Callable[[], bool]) -> None:
        if (node.name, peer) in self.dials:
            pushing = (peer, node.name) not in self.dials
            link = Link(self.stage, node, self.by_name[peer], pushing, partial(exchange_with, node, peer))
            self.stage.world.spawn(partial(link.run, unchanged), unchanged)

    def _change_rules(self) -> None:
        """Administrators change lines and settings now and then, at whichever mirror."""
        chance = self.stage.chance
        while True:
            self.stage.world.sleep(chance.randint(500, 8000))
            node, number = chance.choice(self.stage.nodes), chance.choice(SHARED_ROOMS)
            if not node.up:
                continue
            if chance.random() < 0.2:
                self.admins.touch_settings(node, number, chance.randint(1, 99))
                continue
            peers = [peer for peer in self.admins.peers(server_of(node.name)) if chance.random() < 0.75]
            self.admins.write(node, number, {peer: random_wording(chance) for peer in peers})

    # -- the end ----------------------------------------------------------------------------------

    def _heal(self) -> None:
        stage = self.stage
        self.faults.heal()
        stage.world.run(stage.world.now + CATCHING_UP_MS)
        everything_shared = stage.chance.random() < 0.6
        for server in sorted({server_of(node.name) for node in stage.nodes}):
            for number in SHARED_ROOMS:
                peers = [peer for peer in self.admins.peers(server) if everything_shared or stage.chance.random() < 0.8]
                lines = {peer: EVERYTHING if everything_shared else random_wording(stage.chance) for peer in peers}
                self.final[server, number] = lines
                self.admins.write(self.by_name[f"{server}1"], number, lines)

    def _settle(self) -> None:
        """Let all exchange until each server's mirrors are equal and hold what the rules let come, if they ever do."""
        stage = self.stage
        deadline = stage.world.now + HEALING_MS
        while stage.world.now < deadline:
            stage.world.run(stage.world.now + 5000)
            if self._mirrors_equal() and next(self._missing(), None) is None:
                return
        if not self._mirrors_equal():
            stage.problem("not equal after healing: " + "; ".join(f"{one.name} {holdings(one)}" for one in stage.nodes))
        stage.outcome.problems += self._missing()

    def _mirrors_equal(self) -> bool:
        servers: dict[str, set[str]] = {}
        for node in self.stage.nodes:
            servers.setdefault(server_of(node.name), set()).add(holdings(node))
        return all(len(held) == 1 for held in servers.values())

    def _missing(self) -> Iterator[str]:
        """Yield what the final rules let flow from one server to another and is not there."""
        held = {node.name: _by_room(node.store.peek(everything)) for node in self.stage.nodes}
        for here, there in self.pairs:
            for thing, record in held[here.name].items():
                if not self._flows(here, there, record):
                    continue
                other = held[there.name].get(thing)
                if other is None or merge(other, msgspec.structs.replace(record)).record != other:
                    yield f"{there.name} lacks {thing} stamp {record.stamp} of {record.origin}, which {here.name} has"

    def _flows(self, here: SimulatedNode, there: SimulatedNode, record: Record) -> bool:
        """Tell whether a living record is to come from one node to another by the final rules."""
        number = room_number(record.collection)
        ours = self.final.get((server_of(here.name), number), {}).get(there.name)
        theirs = self.final.get((server_of(there.name), number), {}).get(here.name)
        if ours is None or theirs is None or record.dead or not ours.pushes or not theirs.pulls:
            return False
        if created(record) < max(node.store.peek(lambda reader: reader.horizon()) for node in (here, there)):
            return False  # it may have been deleted on one side, which is forgotten: it is neither given nor taken
        now_ms, text = self.stage.world.now, here.store.peek(lambda reader: reader.body(record))
        return ours.lets(record, text, now_ms, False) and theirs.lets(record, text, now_ms, False)

    def _judge(self) -> None:
        stage = self.stage
        for node in stage.nodes:
            note_conflicts(stage, node)
            stage.outcome.problems += [f"{node.name}: {problem}" for problem in check_store(node.store).problems]
            for number in ROOMS:
                server = server_of(node.name)
                rooms = node.store.peek(lambda reader: {record.key: record for record in reader.scan("rooms")})
                room = rooms.get(room_key(server, number))
                if room is None or room_name(server, number).encode() not in room.head:
                    stage.problem(f"{node.name}: its room {number} is gone or has another name")
        for server in sorted({server_of(node.name) for node in stage.nodes}):
            names = {node.name for node in stage.nodes if server_of(node.name) == server}
            for problem in stage.ledger.problems(self.by_name[f"{server}1"].store.peek(everything), names):
                # A partner that was away for too long, or was not told, gives back what it edits of the forgotten.
                if self.keeping is KEEPING or "delete" not in problem:
                    stage.problem(problem)


def _by_room(held: Mapping[Thing, Record]) -> dict[Thing, Record]:
    """Return what is in rooms, under names that all servers have."""
    found = (
        by_text(msgspec.structs.replace(record, collection=name_of(record.collection)))
        for record in held.values()
        if parse_collection(record.collection).kind in PER_ROOM
    )
    return {(record.collection, record.key): record for record in found}


def run_share_seed(seed: int) -> Outcome:
    """Run the schedule of one seed."""
    return ShareSchedule(seed).run()
