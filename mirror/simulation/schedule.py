"""One schedule: nodes, users, faults, healing, and the checks; all of it decided by one seed."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from mirror.model.content_lines import name_of
from mirror.model.errors import MirrorError, StampAhead
from mirror.model.item import find_item
from mirror.model.kinds import NODES
from mirror.model.record import Record
from mirror.simulation.ledger import Ledger, Thing
from mirror.simulation.network import Network, SimulatedRemote
from mirror.simulation.node import MAX_AHEAD_MS, Crashed, Lost, SimulatedNode
from mirror.simulation.world import World
from mirror.store.base import Reader, StoreError, Writer
from mirror.store.check import check_store
from mirror.sync.exchange import MirrorExchange
from mirror.sync.horizon import Keeping, keep_up
from mirror.sync.reconcile import Reconciled as Compared
from mirror.sync.remote import StaleCursor
from mirror.sync.round import Round

START_MS = 1_700_000_000_000
TROUBLE_MS = 120_000
"""How long users write and faults happen (virtual milliseconds)."""
KEEP_MS = 60_000
"""How long tombstones are kept; most partitions are shorter."""
EVERY_MS = 1_000
"""How often nodes give a sign of life."""
KEEPING = Keeping(KEEP_MS, 2_000, EVERY_MS)
HEALING_MS = 200_000
"""How long the nodes have to become equal once all faults have ended."""
COMPARE_MS = 60_000
"""The longest time between two comparisons of everything over one connection, whatever the cursors say."""
ENDS = (StaleCursor, Lost, StampAhead)
"""What may end a connection."""
KEYS = ("one", "two", "three", "four", "five")
COLLECTIONS = ("messages/a:1", "messages/a:2", "users", "rooms", "config", "files/a:1", "visits/a:1")
EVENT = """\
BEGIN:VCALENDAR
BEGIN:VEVENT
{lines}
END:VEVENT
END:VCALENDAR
"""
TOPOLOGIES = ("chain", "star", "ring", "mesh")


class Outcome(msgspec.Struct):
    """What a schedule did and what was wrong afterwards."""

    seed: int
    nodes: int = 0
    topology: str = ""
    faults: list[str] = []
    writes: int = 0
    crashes: int = 0
    conflicts: int = 0
    absences: int = 0
    trimmed: int = 0
    problems: list[str] = []


def edges(topology: str, count: int) -> list[tuple[int, int]]:
    """Return who dials whom."""
    if topology == "chain":
        return [(at + 1, at) for at in range(count - 1)]
    if topology == "star":
        return [(at, 0) for at in range(1, count)]
    if topology == "ring":
        return [(at, (at + 1) % count) for at in range(count)]
    return [(one, other) for one in range(count) for other in range(count) if one != other]


class Schedule:
    """Runs one seed.  Use once."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.world = World(seed, START_MS)
        self.chance = self.world.random
        self.network = Network(self.world)
        self.ledger = Ledger()
        self.outcome = Outcome(seed, faults=[], problems=[])
        count = self.chance.randint(2, 4)
        self.outcome.nodes = count
        self.outcome.topology = self.chance.choice(TOPOLOGIES)
        self.nodes = [SimulatedNode(self.world, directory, name) for name in "abcd"[:count]]
        self.edges = edges(self.outcome.topology, count)
        self.troubled = True

    def run(self) -> Outcome:
        """Run it to its end."""
        for node in self.nodes:
            node.offset = self.chance.randint(-3000, 3000)
            self._bring_up(node)
        self.network.loss = self.chance.choice((0.0, 0.02, 0.1))
        self.network.repetition = self.chance.choice((0.0, 0.1))
        self.network.slowest_ms = self.chance.choice((5, 50, 500))
        crash_chance = self.chance.choice((0.0, 0.0005, 0.003))
        for node in self.nodes:
            node.crash_chance = crash_chance
        faults = (self._partitions, self._crashes, self._wrong_clocks, self._backups, self._absence)
        for fault in self.chance.sample(faults, self.chance.randint(1, len(faults))):
            self.outcome.faults.append(fault.__name__.strip("_"))
            self.world.spawn(fault, lambda: self.troubled)
        self.world.run(START_MS + TROUBLE_MS)
        self._heal()
        self._settle()
        self._judge()
        self.world.end()
        for node in self.nodes:
            node.store.close()
        return self.outcome

    # -- the nodes --------------------------------------------------------------------------------

    def _bring_up(self, node: SimulatedNode) -> None:
        node.start()
        life = node.life

        def alive() -> bool:
            return node.up and node.life == life

        self.world.spawn(lambda: self._upkeep(node), alive)
        if self.troubled:
            self.world.spawn(lambda: self._users(node), alive)
        for source, target in self.edges:
            if self.nodes[source] is node:
                peer = self.nodes[target]
                self.world.spawn(lambda peer=peer: self._link(node, peer, alive), alive)  # type: ignore[misc]

    def _link(self, node: SimulatedNode, peer: SimulatedNode, alive: Callable[[], bool]) -> None:
        """Dial, exchange, lose the connection, dial again."""
        exchange = MirrorExchange(node.store, peer.name)
        pushing = (self.nodes.index(peer), self.nodes.index(node)) not in self.edges
        while True:
            self.world.sleep(self.chance.randint(50, 1500))
            try:
                self._connected(Round(exchange, pushing, recent=node.recent[peer.name]), node, peer, alive)
            except ENDS:
                continue

    def _connected(
        self, work: Round[SimulatedRemote], node: SimulatedNode, peer: SimulatedNode, alive: Callable[[], bool]
    ) -> None:
        """What mirror.peer.link does with a connection."""
        commands = self.network.connect(node, peer)
        epoch = commands.info().epoch
        self._compared(work.prepare(commands, epoch))

        def pull() -> None:
            tail = self.network.connect(node, peer)
            for _ in work.pull(tail.tail, commands, epoch):
                pass

        def push() -> None:
            remote = self.network.connect(node, peer)
            while True:
                if not work.push(remote, epoch):
                    self.world.sleep(self.chance.randint(20, 800))

        def compare() -> None:
            while True:
                self.world.sleep(self.chance.randint(1, COMPARE_MS))
                self._compared(work.reconcile(self.network.connect(node, peer)))

        self.world.together([pull, compare, push] if work.pushing else [pull, compare], alive, ENDS)

    def _compared(self, outcome: Compared | None) -> None:
        self.outcome.absences += outcome is not None and bool(outcome.absence)

    def _upkeep(self, node: SimulatedNode) -> None:
        """What the daemon's upkeep does, in this schedule's time."""
        while True:
            self._try(lambda: self._keep(node))
            self.world.sleep(EVERY_MS // 2)

    def _keep(self, node: SimulatedNode) -> None:
        if keep_up(node.store, self.world.now + node.offset, KEEPING):
            self.outcome.trimmed += 1

    def _try(self, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except Crashed as error:
            if isinstance(error.result, Record):
                self.ledger.happened(error.result)
        except Lost:
            pass  # the node is down: its tasks end at their next step
        return None

    # -- the users --------------------------------------------------------------------------------

    def _users(self, node: SimulatedNode) -> None:
        while True:
            self.world.sleep(self.chance.randint(100, 4000))
            written = self._try(lambda: node.store.write(self._edit(node)))
            if isinstance(written, Record):
                self.outcome.writes += 1
                self.ledger.acknowledged(node.name, self.world.now, written)

    def _edit(self, node: SimulatedNode) -> Callable[[Any], Record | None]:
        """Return what a user does next."""
        collection, key = self.chance.choice(COLLECTIONS), self.chance.choice(KEYS)
        text = f"{node.name} {self.world.now} {self.chance.random()}"
        if collection.startswith("messages/"):
            key = f"euid:{key}" if self.chance.random() < 0.5 else f"id:{text}"
        what = self.chance.random()
        if what < 0.2:
            chosen = self.chance.random()

            def delete(writer: Writer) -> Record | None:
                living = [record.key for record in writer.scan_all(collection)]
                deleted: Record | None = (
                    writer.delete(collection, living[int(chosen * len(living))]) if living else None
                )
                return deleted

            return delete
        if what < 0.25:
            return _restore_newest
        if collection in ("users", "rooms", "config") or collection.startswith("visits/"):
            name = self.chance.choice(("name", "flags", "text"))
            return lambda writer: writer.set_fields(collection, key, {name: text})
        draft = Record(collection, key, 1, "x", 1)
        if key.startswith("euid:"):
            name = self.chance.choice(("SUMMARY", "LOCATION", "DTSTART", "SEQUENCE"))
            value = str(self.chance.randint(0, 3)) if name == "SEQUENCE" else text
            return lambda writer: writer.put(_with_property(writer, draft, name, value))
        body = text.encode() * (400 if self.chance.random() < 0.1 else 1)
        return lambda writer: writer.put(writer.store_body(draft, body))

    # -- the faults -------------------------------------------------------------------------------

    def _partitions(self) -> None:
        while True:
            self.world.sleep(self.chance.randint(1000, 15_000))
            self.network.partition({node.name: self.chance.randint(0, 1) for node in self.nodes})
            self.world.sleep(self.chance.randint(1000, 60_000))
            self.network.partition({})

    def _crashes(self) -> None:
        while True:
            self.world.sleep(self.chance.randint(500, 10_000))
            node = self.chance.choice(self.nodes)
            if node.up:
                node.crash()
            self.world.sleep(self.chance.randint(100, 5000))
            self._restart()

    def _restart(self) -> None:
        for node in self.nodes:
            if not node.up:
                self.outcome.crashes += 1
                self._bring_up(node)

    def _wrong_clocks(self) -> None:
        while True:
            self.world.sleep(self.chance.randint(1000, 10_000))
            self.chance.choice(self.nodes).offset = self.chance.choice((-30_000, -2000, 0, 2000, MAX_AHEAD_MS))

    def _backups(self) -> None:
        while True:
            self.world.sleep(self.chance.randint(2000, 20_000))
            node = self.chance.choice(self.nodes)
            if node.up and node.backup_taken is None:
                self._try(node.back_up)
            elif node.up and node.backup_taken is not None:
                self.ledger.restored(node.name, node.backup_taken)
                self._note_conflicts(node)  # its conflict log is lost with its disk
                node.put_back()
                self._restart()

    def _absence(self) -> None:
        """One node is away for longer than tombstones are kept."""
        self.world.sleep(self.chance.randint(1000, 20_000))
        node = self.chance.choice(self.nodes)
        if self.chance.random() < 0.5:
            if node.up:
                node.crash()
        else:
            self.network.partition({node.name: 1})
        self.world.sleep(KEEP_MS + 10_000)
        self.network.partition({})
        self._restart()

    # -- the end ----------------------------------------------------------------------------------

    def _heal(self) -> None:
        self.troubled = False
        self.network.partition({})
        self.network.loss = self.network.repetition = 0.0
        self.network.slowest_ms = 20
        for node in self.nodes:
            node.crash_chance = 0.0
            if node.up:
                node.crash()  # ends its users; its links begin anew
            node.offset = 0
        self.world.run(self.world.now + 4 * MAX_AHEAD_MS)
        self._restart()

    def _settle(self) -> None:
        """Let the nodes exchange until they are equal, or until they had every chance."""
        deadline = self.world.now + HEALING_MS
        while self.world.now < deadline:
            self.world.run(self.world.now + 5000)
            if len({self._holdings(node) for node in self.nodes}) == 1:
                return
        for node in self.nodes:
            self.outcome.problems.append(f"not equal after healing: {node.name} has {self._holdings(node)}")

    def _holdings(self, node: SimulatedNode) -> str:
        """Return what a node holds, signs of life aside, which go on for ever."""
        digests: dict[str, Any] = node.store.read(lambda reader: reader.digests(lambda name: name != NODES))
        horizon = node.store.read(lambda reader: reader.horizon())
        return f"{horizon} " + " ".join(f"{name}={digest}" for name, digest in digests.items())

    def _judge(self) -> None:
        finals: list[dict[Thing, Record]] = []
        for node in self.nodes:
            final = node.store.read(_everything)
            finals.append(final)
            self._note_conflicts(node)
            self.outcome.problems += [f"{node.name}: {problem}" for problem in check_store(node.store).problems]
        if any(final != finals[0] for final in finals):
            self.outcome.problems.append("equal digests, but not equal records")
        self.outcome.problems += self.ledger.problems(finals[0])

    def _note_conflicts(self, node: SimulatedNode) -> None:
        try:
            conflicts = node.store.read(lambda reader: reader.conflicts(limit=100_000, unresolved=False))
        except Lost:
            return
        self.outcome.conflicts += len(conflicts)
        for conflict in conflicts:
            self.ledger.logged(conflict.loser)


def _everything(reader: Reader) -> dict[Thing, Record]:
    return {
        (record.collection, record.key): record
        for name in reader.digests(lambda name: name != NODES)
        for record in reader.scan(name, limit=100_000)
    }


def _with_property(writer: Writer, draft: Record, name: str, value: str) -> Record:
    """Return the item that is there with one property changed, or a new one."""
    current = writer.get(draft.collection, draft.key)
    item = find_item(writer.body(current)) if current is not None and not current.dead else None
    held = item.component.inside[0].lines if item is not None else [f"UID:{draft.key}", "SEQUENCE:0", "SUMMARY:new"]
    lines = [line for line in held if name_of(line) != name]
    body: Record = writer.store_body(draft, EVENT.format(lines="\n".join([*lines, f"{name}:{value}"])).encode())
    return body


def _restore_newest(writer: Writer) -> Record | None:
    found = writer.conflicts(limit=1)
    try:
        restored: Record | None = writer.restore(found[0].number) if found else None
    except (MirrorError, StoreError):
        return None
    return restored


def run_seed(seed: int) -> Outcome:
    """Run the schedule of one seed in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="ctdlmirror-sim-") as directory:
        return Schedule(seed, Path(directory)).run()
