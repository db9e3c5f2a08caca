"""One short schedule with parties that are hostile or have bugs, and what must hold once they are gone.

Two or three mirrors of one server share a room with an honest partner.  Beside them are, as the seed decides, a mirror
and a partner that send anything, users whose clients send garbage, a disk that fails, clocks that are wrong from the
start, and crashes at any moment.  When they are gone all honest nodes become equal and take writes, what honest users
wrote is there, no bound was broken and no store is damaged.
"""

from collections.abc import Callable, Container
from functools import partial
from typing import Any

from mirror.model.errors import MirrorError
from mirror.model.kinds import NODES
from mirror.model.record import Record
from mirror.model.stamp import make_stamp, stamp_ms
from mirror.simulation.garbage import DAY_MS, Garbage
from mirror.simulation.hostile_ending import Honest
from mirror.simulation.hostile_party import HostileClient, HostileRemote
from mirror.simulation.ledger import Deed, Ledger
from mirror.simulation.linking import Link
from mirror.simulation.machines import Machines
from mirror.simulation.node import MAX_AHEAD_MS, Crashed, SimulatedNode
from mirror.simulation.presence import ask_over
from mirror.simulation.sharing import (
    PER_ROOM,
    ShareUsers,
    Sharing,
    exchange_with,
    make_rooms,
    name_of,
    room_key,
    room_name,
    server_of,
    write_lines,
)
from mirror.simulation.stage import START_MS, Outcome, Stage
from mirror.simulation.wording import EVERYTHING
from mirror.store.base import Writer
from mirror.store.ledger.sorting import MAX_ORIGINS_SHARE
from mirror.store.repair import repair_clock
from mirror.store.values import Acting
from mirror.sync.exchange import MirrorExchange
from mirror.sync.horizon import Keeping
from mirror.sync.round import Exchange, Round
from mirror.wire.values import SharedRoom

TROUBLE_MS = 6_000
HEALING_MS = 150_000
"""How long the honest nodes have to become equal once the others are gone (virtual milliseconds)."""
LOOK_MS = 2_000
BESIDE_MS = 30_000
"""How long what an honest node writes may take to the others while hostile ones are at work (virtual milliseconds)."""
KEEPING = Keeping(100 * TROUBLE_MS, 2_000, 2_000)
SHARED, TAKEN = "1", "2"
"""The room that is shared with the honest partner as well, and the one that is shared with the hostile one alone."""
PARTNER = "b1"
HOSTILE_MIRROR, HOSTILE_PARTNER = "m", "p"
FULL_EACH = 8
"""A hostile mirror of each so many schedules sends records that are as full as they may be."""
MAX_CONFLICTS_USER = 50
KINDS = ("users", "config", "floors")
WHAT = frozenset(("messages", "deletions", "marks", "files", "settings"))


class HostileSchedule:
    """Runs one seed.  Use once."""

    def __init__(self, seed: int) -> None:
        self.stage = stage = Stage(seed)
        stage.ledger = Ledger(name_of)
        chance = stage.chance
        self.parties = self._drawn_parties()
        stage.outcome.faults += [party.__name__.strip("_") for party in self.parties]
        names = self._drawn_names()
        failing = chance.choice(names) if self._failing_disk in self.parties else ""
        stage.nodes += [SimulatedNode(stage.world, name, name == failing) for name in names]
        stage.outcome.nodes, stage.outcome.topology = len(names), " ".join(names)
        self.by_name = {node.name: node for node in stage.nodes}
        self.machines = Machines(stage, KEEPING, self._bring_up, lambda: self.here)
        self.honest = Honest(stage, self.by_name, ("a1", PARTNER), SHARED)
        if {self._twin, self._reverted} & {*self.parties}:
            for node in stage.nodes:
                node.ask = ask_over(stage.network, node)
        self.failing = self.by_name.get(failing)
        self.doubting: SimulatedNode | None = None
        """Whose clock is wrong and held against what others saw, as long as nobody believes it."""
        self.sharing = Sharing(stage, KEEPING, ShareUsers(stage), 1500, _peers_of, self._share_link)
        self.excused: Container[str] = ()
        """Of which nodes it is not asked whether what they write reaches the others while hostile parties are there."""
        self.here = True
        """Whether the hostile parties are there still."""
        self.lines = {SHARED: {PARTNER: EVERYTHING, HOSTILE_PARTNER: EVERYTHING}, TAKEN: {HOSTILE_PARTNER: EVERYTHING}}

    def _drawn_parties(self) -> list[Callable[[], None]]:
        """Return who is hostile or has bugs, or what fails."""
        parties = (
            self._mirror,
            self._partner,
            self._garbage_users,
            self._failing_disk,
            self._wrong_clock,
            self._crashes,
            self._twin,
            self._reverted,
        )
        return self.stage.chance.sample(parties, self.stage.chance.choice((1, 1, 2, 3)))

    def _drawn_names(self) -> list[str]:
        """Return the names of the honest nodes."""
        names = ["a1", "a2", "a3"][: self.stage.chance.choice((2, 2, 3))]
        return names + ([PARTNER] if self.stage.chance.random() < 0.6 else [])

    def run(self) -> Outcome:
        """Run it to its end."""
        self._begin()
        self.stage.world.run(START_MS + TROUBLE_MS)
        if {*self.parties} <= {self._mirror, self._partner, self._garbage_users}:
            self._replicate_beside_them()
        self._leave()
        self._settle()
        self.honest.judge(self._invents_origins())
        return self.stage.end()

    # -- the honest nodes -------------------------------------------------------------------------

    def _begin(self) -> None:
        stage = self.stage
        stage.network.slowest_ms = stage.chance.choice((5, 50))
        stage.network.loss = stage.chance.choice((0.0, 0.0, 0.05))
        for node in stage.nodes:
            self._bring_up(node)
        for node in stage.nodes:
            if node.name.endswith("1"):
                node.store.write(partial(self._make_rooms, server_of(node.name)))
        for party in self.parties:
            party()

    def _make_rooms(self, server: str, writer: Writer) -> None:
        make_rooms(writer, server)
        if server == "a":
            for number, lines in self.lines.items():
                write_lines(writer, server, number, lines)
        else:
            write_lines(writer, server, SHARED, {"a1": EVERYTHING})

    def _bring_up(self, node: SimulatedNode) -> None:
        node.start()
        self._note_what_is_met(node)
        alive = self.sharing.begin(node)
        if self.here and self._mirror in self.parties and node.name == "a1":
            hostile_link = partial(self._hostile_link, node, HOSTILE_MIRROR)
            self.stage.world.spawn(hostile_link, lambda: alive() and self.here)

    def _note_what_is_met(self, node: SimulatedNode) -> None:
        """Have the ledger know all that a node holds for a while, where strangers write as well."""
        read_to = node.store.peek(lambda reader: reader.last_sequence())

        def committed() -> None:
            nonlocal read_to
            if self.stage.ledger.strangers:
                page = node.store.peek(lambda reader: reader.feed(read_to))
                self.stage.ledger.met(page.records)
                read_to = page.sequence

        node.store.watch(committed)

    def _share_link(self, node: SimulatedNode, peer: str, unchanged: Callable[[], bool]) -> None:
        stage = self.stage
        if peer == HOSTILE_PARTNER:
            if self.here and self._partner in self.parties:
                stage.world.spawn(partial(self._hostile_link, node, peer), lambda: unchanged() and self.here)
        elif node.name == PARTNER and "a1" in self.by_name:
            link = Link(stage, node, self.by_name[peer], True, partial(exchange_with, node, peer))
            stage.world.spawn(partial(link.run, unchanged), unchanged)

    # -- the others -------------------------------------------------------------------------------

    def _garbage(self, party: str, server: str = "a") -> Garbage:
        rooms = [f"{kind}/{room_key(server, number)}" for kind in PER_ROOM for number in (SHARED, TAKEN)]
        places = {HOSTILE_PARTNER: rooms, HOSTILE_MIRROR: [*rooms, *KINDS, NODES]}.get(party, [*rooms, *KINDS])
        full = party == HOSTILE_MIRROR and self.stage.outcome.seed % FULL_EACH == 0
        return Garbage(self.stage.chance, lambda: self.stage.world.now, places, full)

    def _mirror(self) -> None:
        """A mirror that sends anything: it dials one of the nodes, and is dialled by it."""
        self.stage.ledger.revivals = False  # it may write whatever a mirror may
        self.stage.ledger.strangers = True
        self._client(HOSTILE_MIRROR, self.by_name["a1"])

    def _partner(self) -> None:
        """One that shares rooms and sends anything."""
        self.stage.ledger.strangers = True
        self._client(HOSTILE_PARTNER, self.by_name["a1"])

    def _client(self, name: str, node: SimulatedNode) -> None:
        client = HostileClient(self.stage.world, name, self._garbage(name), node)
        self.stage.world.spawn(client.run, lambda: self.here)

    def _hostile_link(self, node: SimulatedNode, peer: str) -> None:
        """What an honest node's link does with a hostile peer: whatever it says is an error of that link alone."""
        shared = peer == HOSTILE_PARTNER
        garbage = self._garbage(peer)
        rooms = [SharedRoom(f"p:{number}", room_name("p", number), "", True, True, WHAT) for number in (SHARED, TAKEN)]
        exchange: Exchange[Any] = exchange_with(node, peer) if shared else MirrorExchange(node.store, peer)
        while True:
            self.stage.world.sleep(self.stage.chance.randint(20, 300))
            remote = HostileRemote(self.stage.world, peer, garbage, rooms, lambda: self.here)
            work = Round(exchange, True, recent=node.recent[peer])
            try:
                epoch = remote.info().epoch
                work.prepare(remote, epoch)
                for _ in work.pull(remote.tail, remote, epoch):
                    pass
                while work.push(remote, epoch):
                    pass
            except MirrorError:
                continue

    def _garbage_users(self) -> None:
        """Users whose clients send drafts of anything; each node has one."""
        self.stage.ledger.strangers = True
        for node in self.stage.nodes:
            self.stage.world.spawn(partial(self._send_garbage, node), lambda: self.here)

    def _send_garbage(self, node: SimulatedNode) -> None:
        garbage = self._garbage("a user", server_of(node.name))
        while True:
            self.stage.world.sleep(self.stage.chance.randint(20, 300))
            try:
                if self.stage.chance.random() < 0.3:
                    garbage.learn(node.store.read(lambda reader: reader.scan(garbage.place()[0], limit=5)))
                self.stage.ledger.happened(node.store.write(partial(_take_draft, garbage)))
            except Crashed as error:
                if isinstance(error.result, Deed):
                    self.stage.ledger.happened(error.result)
            except MirrorError:
                continue

    def _failing_disk(self) -> None:
        """One node's disk fails now and then, at whichever statement."""
        if self.failing is not None:
            self.failing.disk_chance = self.stage.chance.choice((0.0005, 0.005))

    def _wrong_clock(self) -> None:
        """One node's clock is days off: from its first start, or since it was last down."""
        chance, stage = self.stage.chance, self.stage
        node = chance.choice(stage.nodes)
        has_written = bool(node.store.peek(lambda reader: reader.committed_ms()))
        node.crash()
        node.guarded = chance.random() < 0.7
        self.doubting = node if node.guarded and has_written else None
        node.offset = chance.choice((-3 * DAY_MS, 3 * DAY_MS, 400 * DAY_MS, 600_000, 2 * MAX_AHEAD_MS))
        self._bring_up(node)
        if chance.random() < 0.3:
            stage.world.spawn(partial(self._accept_clock, node), lambda: self.here)

    def _accept_clock(self, node: SimulatedNode) -> None:
        """An administrator believes a clock that is wrong."""
        self.stage.world.sleep(self.stage.chance.randint(500, 3000))
        if node.up and node.guard is not None:
            node.guard.accept()
            self.doubting = None

    def _twin(self) -> None:
        """A machine is copied, and the copy runs beside it; sometimes the one that was copied is away for a while."""
        self.stage.world.spawn(self.machines.copy, lambda: self.here)

    def _reverted(self) -> None:
        """A machine goes back to a snapshot, and its store does not know."""
        self.stage.world.spawn(self.machines.revert, lambda: self.here)

    def _crashes(self) -> None:
        for node in self.stage.nodes:
            node.crash_chance = self.stage.chance.choice((0.001, 0.01))
        self.stage.world.spawn(self._restart_now_and_then, lambda: self.here)

    def _restart_now_and_then(self) -> None:
        while True:
            self.stage.world.sleep(self.stage.chance.randint(100, 1000))
            self._restart()

    def _restart(self) -> None:
        for node in self.stage.nodes:
            if not node.up:
                self.stage.outcome.crashes += 1
                self._bring_up(node)

    # -- the end ----------------------------------------------------------------------------------

    def _replicate_beside_them(self) -> None:
        """Where just hostile parties are at work, what honest nodes write reaches the others while those are there."""
        made = [self._write_something(node) for node in self.stage.nodes]
        deadline = self.stage.world.now + BESIDE_MS
        while (missing := [*self.honest.missing(made, self.excused)]) and self.stage.world.now < deadline:
            self.stage.world.run(self.stage.world.now + LOOK_MS // 2)
        for what in missing:
            self.stage.problem(f"{what} while others send what they like")

    def _leave(self) -> None:
        """The hostile parties go; administrators set clocks, have disks mended, and remove who was hostile."""
        stage = self.stage
        self._check_clocks()
        self._check_doubts()
        self.here = stage.troubled = False
        stage.network.heal()
        for twin in self.machines.twins:
            twin.crash()
        for node in stage.nodes:
            node.crash_chance = node.disk_chance = 0.0
            if node.up:
                node.crash()
            node.offset = 0
        stage.world.run(stage.world.now + 2 * MAX_AHEAD_MS)
        for node in stage.nodes:
            node.start()
            if node.guard is not None:
                node.guard.accept()  # else the repair itself would not be written
            self.machines.renew_if_refused(node)
            if repair_clock(node.store, lambda _done: None) is not None:
                stage.ledger.repaired(node.name)
            node.crash()
        self._restart()
        for node in stage.nodes:
            if node.guard is not None:
                node.guard.accept()

    def _check_clocks(self) -> None:
        """Where just partners and disks were at fault, no clock was moved: a partner's time never becomes ours."""
        if {*self.parties} <= {self._partner, self._failing_disk, self._crashes}:
            for node in self.stage.nodes:
                if node.up and stamp_ms(node.store.clock.last) > self.stage.world.now:
                    self.stage.problem(f"{node.name}: its clock was moved ahead")

    def _check_doubts(self) -> None:
        """A node whose clock is days off writes nothing by it before somebody believes it."""
        node = self.doubting
        if node is not None and node.offset >= DAY_MS and node.up:
            ahead = node.store.peek(lambda reader: reader.count_ahead(make_stamp(self.stage.world.now + DAY_MS // 2)))
            if ahead:
                self.stage.problem(f"{node.name} wrote by a clock that is days off: {ahead}")

    def _settle(self) -> None:
        """Let all exchange until they are equal; in the middle each honest node takes a write."""
        stage = self.stage
        deadline = stage.world.now + HEALING_MS
        written = False
        while stage.world.now < deadline:
            stage.world.run(stage.world.now + LOOK_MS)
            for node in stage.nodes:
                if self.machines.renew_if_refused(node):
                    node.crash()
                    self._bring_up(node)
            if next(self.honest.unequal(), None) is None:
                if written:
                    return
                written = True
                for node in stage.nodes:
                    self._write_something(node)
        stage.outcome.problems += self.honest.unequal()

    def _write_something(self, node: SimulatedNode) -> tuple[Record, Record]:
        """Have a node write something of its own, and something in the room that is shared with the partner."""
        collection = f"files/{room_key(server_of(node.name), SHARED)}"
        made = node.store.write(lambda writer: writer.set_fields("config", "probe", {node.name: "here"}))
        room = node.store.write(lambda writer: writer.store_body(_probe(collection, node.name), b"here"))
        put = node.store.write(lambda writer: writer.put(room))
        for record in (made, put):
            self.stage.ledger.acknowledged(node.name, self.stage.world.now, Deed(record))
        return made, put

    def _invents_origins(self) -> bool:
        """Tell whether somebody may tell of any number of origins: a mirror is trusted with that."""
        return self._mirror in self.parties


def _probe(collection: str, key: str) -> Record:
    return Record(collection, f"probe {key}", 1, "x", 1)


def _take_draft(garbage: Garbage, writer: Writer) -> Deed:
    """What mirror.server.drafts does with a user's draft."""
    writer.act_for(Acting("user eve", MAX_CONFLICTS_USER, MAX_ORIGINS_SHARE))
    draft = garbage.draft()
    result = writer.write(draft)
    return Deed(result.record if result.applied.written else None, draft.base.vector if draft.base is not None else {})


def _peers_of(node: SimulatedNode) -> list[str]:
    """Return with whom a node shares rooms, if it does."""
    return [PARTNER, HOSTILE_PARTNER] if node.name == "a1" else ["a1"] if node.name == PARTNER else []


def run_hostile_seed(seed: int) -> Outcome:
    """Run the schedule of one seed."""
    return HostileSchedule(seed).run()
