"""Nodes that share rooms: what they keep up with, as mirror.server.sharing and the daemon do, and who shares what.

Servers are named by a letter, their mirrors by that letter and a number.  Each server has rooms of the same numbers,
under ids and names of its own; what is not shared by anybody is in the last one.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

from mirror.model.containers import room_told_of
from mirror.model.kinds import Collection, parse_collection
from mirror.model.record import Record
from mirror.simulation.linking import Link, keep_node
from mirror.simulation.network import SimulatedRemote
from mirror.simulation.node import Lost, SimulatedNode
from mirror.simulation.stage import Stage
from mirror.simulation.users import Users
from mirror.simulation.wording import Lines
from mirror.store.base import Writer
from mirror.sync.horizon import Keeping
from mirror.sync.round import Exchange
from mirror.sync.share.exchange import ShareExchange
from mirror.sync.share.rules import NETCONF, NETCONF_KEY, Watched, read_shares

SHARED_ROOMS = ("1", "2")
PRIVATE_ROOM = "3"
ROOMS = (*SHARED_ROOMS, PRIVATE_ROOM)
PER_ROOM = ("messages", "files", "visits")
IN_USE = "2"
NOTICED_MS = 50
"""A change of the rules is noticed after so many milliseconds at most."""


def server_of(name: str) -> str:
    """Return the server of a node or origin."""
    return name[0]


def room_key(server: str, number: str) -> str:
    return f"{server}:{number}"


def room_name(server: str, number: str) -> str:
    return f"Room {number} of {server}"


def room_number(collection: str, key: str = "") -> str:
    """Return the number of the room that a record is of; an empty string for none."""
    return room_told_of(collection, key).partition(":")[2]


def name_of(collection: str) -> str:
    """Return a name for a server's collection that all servers have."""
    kind, room = parse_collection(collection)
    return str(Collection(kind, f"*:{room.partition(':')[2]}")) if room else collection


class ShareUsers(Users):
    """Users of servers that share rooms: they write there, and some authors are let through everywhere."""

    def collections(self, node: SimulatedNode) -> Sequence[str]:
        server = server_of(node.name)
        return [str(Collection(kind, room_key(server, number))) for kind in PER_ROOM for number in ROOMS]

    def friends(self, node: SimulatedNode) -> Sequence[SimulatedNode]:
        return [other for other in self._stage.nodes if server_of(other.name) == server_of(node.name)]

    def key(self, collection: str, text: str) -> str:
        key = super().key(collection, text)
        return f"ann {key}" if collection.startswith("visits/") and self._chance.random() < 0.8 else key


def make_rooms(writer: Writer, server: str) -> None:
    """Make a server's rooms."""
    for number in ROOMS:
        writer.set_fields("rooms", room_key(server, number), {"QRname": room_name(server, number), "QRflags": IN_USE})


def write_lines(writer: Writer, server: str, number: str, lines: Lines) -> bytes:
    """Give a room of a server lines, and return their bytes."""
    written = [wording.line(node, room_name(server_of(node), number)) for node, wording in sorted(lines.items())]
    body = "\n".join([*written, f"listrecp|{writer.clock.tick()}@x", ""]).encode()  # bytes that are told apart
    draft = Record(str(Collection(NETCONF, room_key(server, number))), NETCONF_KEY, 1, "x", 1)
    writer.put(writer.store_body(draft, body))
    return body


class RuleKeeper:
    """Keeps what one node shares as its rooms' lines say, a little after they change."""

    def __init__(
        self, stage: Stage, node: SimulatedNode, peers: Sequence[str], begin_anew: Callable[[str], None]
    ) -> None:
        """``begin_anew`` is called with each of the ``peers`` when what is shared with it has changed."""
        self._stage = stage
        self._node = node
        self._peers = list(peers)
        self._begin_anew = begin_anew
        self._watched = Watched()
        self._due = False

    def begin(self, alive: Callable[[], bool]) -> None:
        """Read the rules, and watch the store for the life of the node."""
        self._due = False
        self._node.shares, _ = self._node.store.peek(lambda reader: read_shares(reader, self._peers))
        self._node.store.peek(self._watched.begin)
        self._node.store.watch(partial(self._woken, alive))

    def _woken(self, alive: Callable[[], bool]) -> None:
        if not self._due:
            self._due = True
            self._stage.world.spawn(self._look, alive)

    def _look(self) -> None:
        self._due = False
        node = self._node
        if not node.store.peek(self._watched.has_changed):
            return
        before = node.shares
        node.shares, problems = node.store.peek(lambda reader: read_shares(reader, self._peers))
        for problem in problems:
            self._stage.problem(f"{node.name}: {problem}")
        for peer in self._peers:
            if node.shares[peer] != before[peer]:
                node.rules[peer] += 1
                self._begin_anew(peer)


class Sharing:
    """How a node of a server that shares rooms comes up: rules and upkeep, users, mirrors and partners."""

    def __init__(
        self,
        stage: Stage,
        keeping: Keeping,
        users: ShareUsers,
        most_ms: int,
        peers_of: Callable[[SimulatedNode], Sequence[str]],
        share_link: Callable[[SimulatedNode, str, Callable[[], bool]], None],
    ) -> None:
        """Users write each ``most_ms`` milliseconds at the latest.

        ``peers_of`` returns with whom a node may share rooms; ``share_link`` begins its link to one of them, if it has
        one, by the rules of now, and is handed what tells whether these are still in force.
        """
        self._stage = stage
        self._keeping = keeping
        self._users = users
        self._most_ms = most_ms
        self._peers_of = peers_of
        self._share_link = share_link

    def begin(self, node: SimulatedNode) -> Callable[[], bool]:
        """Begin all that a node does in the life that it has just begun; returns what tells whether that goes on."""
        stage, alive, peers = self._stage, node.this_life(), self._peers_of(node)
        RuleKeeper(stage, node, peers, partial(self._link, node, alive)).begin(alive)
        stage.world.spawn(partial(keep_node, stage, node, self._keeping), alive)
        if stage.troubled:
            stage.world.spawn(partial(self._users.work, node, 100, self._most_ms), alive)
        for other in stage.nodes:
            if other is not node and server_of(other.name) == server_of(node.name):
                stage.world.spawn(partial(Link(stage, node, other, pushing=False).run, alive), alive)
        for peer in peers:
            self._link(node, alive, peer)
        return alive

    def _link(self, node: SimulatedNode, alive: Callable[[], bool], peer: str) -> None:
        rules = node.rules[peer]
        self._share_link(node, peer, lambda: alive() and node.rules[peer] == rules)


def exchange_with(node: SimulatedNode, peer: str) -> Exchange[SimulatedRemote]:
    """Return a node's exchange with a peer that rooms are shared with, by its rules of now."""
    shares = node.shares[peer]
    return ShareExchange(node.store, peer, shares.scope, shares.rooms, node.sums)


class Administrators:
    """They change the lines of rooms while all goes on; all that was ever written is known by its bytes."""

    def __init__(self, stage: Stage, shares: Sequence[tuple[str, str]]) -> None:
        """``shares`` are pairs of nodes that share rooms, each way."""
        self._stage = stage
        self._peers: defaultdict[str, list[str]] = defaultdict(list)
        for here, there in shares:
            if there not in self._peers[server_of(here)]:
                self._peers[server_of(here)].append(there)
        self.worded: dict[bytes, Lines] = {}

    def peers(self, server: str) -> list[str]:
        """Return the nodes that a server's lines may name."""
        return self._peers[server]

    def write(self, node: SimulatedNode, number: str, lines: Lines) -> None:
        """Give a room other lines at one of a server's mirrors."""

        def job(writer: Writer) -> None:
            body = write_lines(writer, server_of(node.name), number, lines)
            self.worded[body] = lines

        try:
            node.store.write(job)
        except Lost:
            return

    def touch_settings(self, node: SimulatedNode, number: str, order: int) -> None:
        """Change what is shared as a room's settings."""
        key = room_key(server_of(node.name), number)

        def job(writer: Writer) -> None:
            if writer.get("rooms", key) is not None:  # else nobody can see it there yet
                writer.set_fields("rooms", key, {"QRorder": str(order)})

        try:
            node.store.write(job)
        except Lost:
            return
