"""What once stopped replication for good, each done to honest nodes as it was done: by a mirror, a partner or a user.

An attack is a task of a hostile schedule.  What has to hold afterwards besides what any schedule asks for it puts into
``expected``.  What is sent as a peer is bytes, and read as those of a connection are.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from mirror.model.checksum import crc64
from mirror.model.draft import Base, Draft, base_of
from mirror.model.errors import MirrorError
from mirror.model.kinds import NODES
from mirror.model.nodes import Horizon, horizon_record
from mirror.model.record import MAX_PAST, Record, Version, created, pack_head, past_of, record_bytes
from mirror.model.stamp import make_stamp, stamp_ms
from mirror.simulation.garbage import DAY_MS
from mirror.simulation.hostile_schedule import (
    HOSTILE_MIRROR,
    HOSTILE_PARTNER,
    MAX_CONFLICTS_USER,
    PARTNER,
    SHARED,
)
from mirror.simulation.ledger import Deed
from mirror.simulation.node import MAX_AHEAD_MS, SimulatedNode
from mirror.simulation.sharing import room_key, server_of
from mirror.simulation.stage import Stage
from mirror.store.base import Writer
from mirror.store.ledger.admitting import MAX_CONFLICTS_SHARE
from mirror.store.ledger.sorting import MAX_ORIGINS_SHARE
from mirror.store.values import Acting
from mirror.wire.batch import Batch
from mirror.wire.bulk import parse_page
from mirror.wire.codec import MSGPACK, checksum

_pack = msgspec.msgpack.encode
FEW = 30
"""Origins that a partner may invent."""
ROOM = room_key("a", SHARED)
"""The room that a server shares with both partners."""
PARTNERS_FILES = f"files/{room_key(server_of(PARTNER), SHARED)}"


class Attacker:
    """What attacks are done with: the honest nodes, and ways to be one of their peers or users."""

    def __init__(
        self,
        stage: Stage,
        nodes: Mapping[str, SimulatedNode],
        bring_up: Callable[[SimulatedNode], None],
        copy_a_machine: Callable[[], None],
    ) -> None:
        """``bring_up`` begins a node's next life, ``copy_a_machine`` has a copy of one run beside it for a while."""
        self.stage = stage
        self.world = stage.world
        self.nodes = nodes
        self.bring_up = bring_up
        self.copy_a_machine = copy_a_machine
        self.expected: list[Callable[[], str]] = []
        """Each says what is wrong once all has ended, or nothing."""
        self.excused: set[str] = set()
        """Nodes whose new writes may come to the others late."""

    @property
    def now(self) -> int:
        """The stamp of now."""
        return make_stamp(self.world.now)

    def send(self, peer: str, node: str, *records: Record) -> None:
        """Send records as one page, as a peer; if nothing of it is taken, that is all there is to it."""
        told = [record_bytes(record) for record in records]
        header = {"Type": "records", "Count": str(len(told)), "Encoding": MSGPACK}
        payload = b"\xdc" + len(told).to_bytes(2, "big") + b"".join(told)
        try:
            page = parse_page(Batch({**header, "Crc": checksum([crc64(data) for data in told])}, payload))
            responder = self.nodes[node].open_session(peer).responder
            responder.info()
            responder.offer([page])
        except MirrorError as error:
            self.stage.outcome.faults.append(f"refused: {error}")

    def write(self, node: str, *drafts: Draft) -> None:
        """Write drafts as the client of a user."""
        for draft in drafts:
            try:
                self.stage.ledger.happened(self.nodes[node].store.write(partial(_as_a_user, draft)))
            except MirrorError as error:
                self.stage.outcome.faults.append(f"refused: {error}")

    def post(self, node: str, collection: str, key: str, body: bytes = b"x") -> Record:
        """Write as an honest user of a node, who is told so at once."""
        draft = Record(collection, key, 1, "x", 1)
        made = self.nodes[node].store.write(lambda writer: writer.put(writer.store_body(draft, body)))
        self.stage.ledger.acknowledged(node, self.world.now, Deed(made))
        return made

    def held(self, node: str, collection: str, key: str) -> Record | None:
        return self.nodes[node].store.peek(lambda reader: reader.get(collection, key))

    def expect_file(self, key: str, *nodes: str) -> None:
        """Have some nodes hold a file of the shared room in the end."""
        rooms = ((node, room_key(server_of(node), SHARED)) for node in nodes)
        self.expected += [partial(self._lacking, node, f"files/{room}", key) for node, room in rooms]

    def _lacking(self, node: str, collection: str, key: str) -> str:
        return "" if self.held(node, collection, key) else f"{node} lacks {collection} {key}, which was right"


def _as_a_user(draft: Draft, writer: Writer) -> Deed:
    writer.act_for(Acting("user eve", MAX_CONFLICTS_USER, MAX_ORIGINS_SHARE))
    result = writer.write(draft)
    return Deed(result.record if result.applied.written else None)


def crowd(mark: str, now: int, width: int = 0, count: int = MAX_PAST) -> dict[str, int]:
    """Return origins that nobody knows, with stamps a little before now."""
    return {f"{mark}-{at:05}".ljust(width, "x"): now - 1 - at for at in range(count)}


def _file(on: Attacker, origin: str, key: str, stamp: int = 0, past: Mapping[str, int] | None = None) -> Record:
    version = Version(stamp or on.now, origin)
    return Record(f"files/{ROOM}", key, *version, 1, past=past_of(past or {}, version), body=b"x")


# -- what a record holds ------------------------------------------------------------------------------


def values_of_any_type(on: Attacker) -> None:
    """A user's draft in its own read mark has values of every type that there is."""
    for at, value in enumerate(([], ["a"], {"a": 1}, None, 1.5, "a\0b", 1 << 63, "v" * 40_000)):
        on.write("a1", Draft(f"visits/{ROOM}", f"eve type-{at}", head=_pack({"v_seen": value})))


def a_key_with_a_nul(on: Attacker) -> None:
    """Two versions of a key that a database would cut at its NUL."""
    for _ in range(2):
        on.write("a1", Draft(f"files/{ROOM}", "a\0b", body=b"x"))


def too_many_fields(on: Attacker) -> None:
    """A user's draft has more fields than a record may have."""
    on.write("a1", Draft(f"visits/{ROOM}", "eve many", head=pack_head({f"f{at}": "x" for at in range(300)})))


def full_of_fields(on: Attacker) -> None:
    """Two edits of one read mark with as many fields as a record may have, and other ones each."""
    for node in ("a1", "a2"):
        full = pack_head({f"{node}-{at}": "x" for at in range(128)})
        on.write(node, Draft(f"visits/{ROOM}", "eve full", head=full))


def full_of_properties(on: Attacker) -> None:
    """Two edits of one calendar item with as many properties as an item may have, and other ones each."""
    made = on.post("a1", f"messages/{ROOM}", "euid:full", _event([]))
    while on.held("a2", made.collection, made.key) is None:
        on.world.sleep(100)
    for node in ("a1", "a2"):
        body = _event([f"X-{node}-{at}:1" for at in range(1000)])
        on.write(node, Draft(made.collection, made.key, base_of(made), body=body))


def _event(lines: Sequence[str]) -> bytes:
    return "\n".join(["BEGIN:VCALENDAR", "BEGIN:VEVENT", "UID:u", *lines, "END:VEVENT", "END:VCALENDAR", ""]).encode()


# -- what a version has seen --------------------------------------------------------------------------


def two_full_pasts(on: Attacker) -> None:
    """A mirror tells two nodes of two versions of one thing that name 1024 other origins each."""
    for node, mark in (("a1", "left"), ("a2", "right")):
        on.send(HOSTILE_MIRROR, node, _settings(on, mark, crowd(mark, on.now)))
    on.expected.append(lambda: "" if on.held("a2", "config", "crowded") else "a2 lacks what has seen so much")


def an_old_version_in_a_crowd(on: Attacker) -> None:
    """Of two full pasts one has an origin from long ago, which there is no room for once they are merged."""
    least = make_stamp(on.world.now - DAY_MS)
    on.send(HOSTILE_MIRROR, "a1", _settings(on, "left", {**crowd("left", on.now, count=MAX_PAST - 1), "old": least}))
    on.send(HOSTILE_MIRROR, "a2", _settings(on, "right", crowd("right", on.now)))

    def is_dated() -> str:
        found = [created(one) for node in ("a1", "a2") if (one := on.held(node, "config", "crowded"))]
        return "" if found == [least, least] else f"what was there at {least} says that it is of {found}"

    on.expected.append(is_dated)


def _settings(on: Attacker, mark: str, past: Mapping[str, int]) -> Record:
    version = Version(on.now, f"{HOSTILE_MIRROR}-{mark}")
    head = pack_head({mark: ("x", *version)})
    return Record("config", "crowded", *version, 1, past=past_of(past, version), head=head)


def invented_origins_of_a_partner(on: Attacker) -> None:
    """A partner's six messages name 1024 invented origins of 255 characters each; then it names a few."""
    for at in range(6):
        on.send(HOSTILE_PARTNER, "a1", _file(on, HOSTILE_PARTNER, f"six {at}", past=crowd(f"o{at}", on.now, 255)))
    for at in range(FEW):
        on.send(HOSTILE_PARTNER, "a1", _file(on, f"{'x' * 250}{at:03}", f"few {at}"))

    def is_bounded() -> str:
        origins = len(on.nodes["a1"].store.peek(lambda reader: reader.heard()).newest)
        return "" if origins < 2 * MAX_ORIGINS_SHARE else f"a1: {origins} origins came through shared rooms"

    def names_mirrors_alone() -> str:
        sign = on.held("a1", NODES, "a1")
        return "" if sign is not None and b"xxxxx" not in sign.head else "a sign of life names what came by a share"

    on.expected += [is_bounded, names_mirrors_alone]


# -- what cannot be taken -----------------------------------------------------------------------------


def garbage_among_what_is_right(on: Attacker) -> None:
    """A mirror's page holds what nobody can take between what everybody can; then it says that all of it was told."""
    right = [_file(on, HOSTILE_MIRROR, f"right {at}") for at in range(2)]
    garbage = Record("users", "spoilt", on.now, HOSTILE_MIRROR, 1, head=b"\xc1")
    on.send(HOSTILE_MIRROR, "a1", right[0], garbage, right[1])
    on.send(HOSTILE_MIRROR, "a1", _sign(on.now))
    for record in right:
        on.expect_file(record.key, "a1", "a2", PARTNER)

    def is_kept() -> str:
        aside = on.nodes["a1"].store.peek(lambda reader: [one.unfit.key for one in reader.aside(HOSTILE_MIRROR)])
        return "" if garbage.key in aside else f"set aside of {HOSTILE_MIRROR} is {aside}, and not {garbage.key}"

    def is_waited_for() -> str:
        is_taken = on.held("a1", NODES, HOSTILE_MIRROR) is not None
        return "a1 says to have all of a mirror of which it lacks something" if is_taken else ""

    on.expected += [is_kept, is_waited_for]


def a_post_and_a_sign_from_the_future(on: Attacker) -> None:
    """A mirror whose clock is 400 days ahead has posted once, and said that it lives; now its clock is right."""
    ahead = make_stamp(on.world.now + 400 * DAY_MS)
    on.send(
        HOSTILE_MIRROR,
        "a1",
        _file(on, HOSTILE_MIRROR, "ahead", ahead),
        _sign(ahead),
        _file(on, HOSTILE_MIRROR, "of now"),
    )
    on.expect_file("of now", "a1", "a2", PARTNER)


def _sign(stamp: int) -> Record:
    """Return the hostile mirror's sign of life: it says to have all up to a stamp."""
    head = pack_head({"seen": {HOSTILE_MIRROR: stamp}, "newest": {HOSTILE_MIRROR: stamp}})
    return Record(NODES, HOSTILE_MIRROR, stamp, HOSTILE_MIRROR, 1, head=head)


def a_horizon_that_is_deleted(on: Attacker) -> None:
    """A mirror says up to where deletions are forgotten, and then deletes that."""
    _send_horizon(on, dead=True, head=b"", born=1)


def a_horizon_of_a_later_birth(on: Attacker) -> None:
    """A mirror says up to where deletions are forgotten, in a record of a later birth than all others have."""
    _send_horizon(on, born=2)


def _send_horizon(on: Attacker, **spoilt: Any) -> None:
    horizon = horizon_record(HOSTILE_MIRROR, Horizon(make_stamp(on.world.now - DAY_MS), (HOSTILE_MIRROR,)))
    horizon = msgspec.structs.replace(horizon, stamp=on.now - 1, origin=HOSTILE_MIRROR, born=1)
    on.send(HOSTILE_MIRROR, "a1", horizon)
    on.send(HOSTILE_MIRROR, "a1", msgspec.structs.replace(horizon, stamp=on.now, **spoilt))

    told, kept = on.nodes["a1"].store.peek(lambda reader: (reader.heard().horizon.stamp, reader.horizon()))
    if told != kept:
        on.stage.problem(f"a1 has two horizons, {told} and {kept}: each comparison begins again for ever")


# -- clocks -------------------------------------------------------------------------------------------


def a_partner_that_was_ahead(on: Attacker) -> None:
    """An honest partner's clock is two minutes and more ahead while it posts once; then it is set."""
    partner = on.nodes[PARTNER]
    partner.offset = 135_000
    on.post(PARTNER, PARTNERS_FILES, "ahead")
    partner.offset = 0
    on.excused.add(partner.name)  # what it writes now is stamped after that
    on.expect_file("ahead", "a1", "a2")


def a_node_that_was_behind(on: Attacker) -> None:
    """A partner posts while a mirror's clock is two minutes and more behind; then that is set."""
    behind = on.nodes["a1"]
    behind.offset = -135_000
    on.post(PARTNER, PARTNERS_FILES, "of then")
    on.world.sleep(3000)
    behind.offset = 0
    on.expect_file("of then", "a1", "a2")


def a_partner_a_little_ahead(on: Attacker) -> None:
    """A partner posts with stamps as far ahead as a mirror's may be."""
    ahead = on.world.now + MAX_AHEAD_MS - 500
    on.send(HOSTILE_PARTNER, "a1", _file(on, HOSTILE_PARTNER, "a little ahead", make_stamp(ahead)))
    last = stamp_ms(on.nodes["a1"].store.clock.last)
    on.expected.append(lambda: "a1: its clock was moved ahead by a partner" if last >= ahead else "")


def a_clock_that_is_wrong_at_a_start(on: Attacker) -> None:
    """A node's clock is 400 days ahead for two seconds when it starts, and it has written before."""
    node = on.nodes["a2"]
    node.guarded = True
    _start_with(on, node, 400 * DAY_MS)
    on.world.sleep(2000)
    ahead = make_stamp(on.world.now + DAY_MS)
    if count := node.store.peek(lambda reader: reader.count_ahead(ahead)):
        on.stage.problem(f"{node.name} wrote {count} records by a clock that is days off")
    if node.guard is None or not node.guard.notes():
        on.stage.problem(f"{node.name} has nothing to tell of a clock that is days off")
    _start_with(on, node, 0)


def a_clock_that_was_believed(on: Attacker) -> None:
    """A node's clock is days ahead while it writes, and nobody doubts it; it is set, and the store repaired later."""
    node = on.nodes["a2"]
    _start_with(on, node, 3 * DAY_MS)
    on.world.sleep(2000)
    on.post(node.name, f"files/{ROOM}", "of later")
    _start_with(on, node, 0)
    on.excused.add(node.name)  # what it writes now is stamped after that
    on.expect_file("of later", "a1", PARTNER)


def _start_with(on: Attacker, node: SimulatedNode, offset: int) -> None:
    node.crash()
    node.offset = offset
    on.bring_up(node)


# -- what one party may make --------------------------------------------------------------------------


def conflicts_of_a_partner(on: Attacker) -> None:
    """A partner writes beside each of very many files what loses to it."""
    count = MAX_CONFLICTS_SHARE + 50

    def write_all(writer: Writer) -> list[Record]:
        return [writer.put(Record(f"files/{ROOM}", f"many {at}", 1, "x", 1, body=b"ours")) for at in range(count)]

    on.excused |= {*on.nodes}  # so many files are under way for a while
    ours = on.nodes["a1"].store.write(write_all)
    for at in range(0, count, 250):
        lost = [_file(on, HOSTILE_PARTNER, one.key, one.stamp - 1) for one in ours[at : at + 250]]
        on.send(HOSTILE_PARTNER, "a1", *lost)

    def is_bounded() -> str:
        made = on.nodes["a1"].store.peek(lambda reader: reader.conflicts(limit=9999))
        lost = sum(one.loser.origin == HOSTILE_PARTNER for one in made)
        return "" if lost <= MAX_CONFLICTS_SHARE else f"{lost} conflicts of a partner are kept"

    on.expected.append(is_bounded)


def origins_of_a_user(on: Attacker) -> None:
    """A user's drafts are made from versions of ever new origins that there never were."""
    bases = [Base(on.now - 1, f"invented-{at}") for at in range(MAX_ORIGINS_SHARE + FEW)]
    on.write("a1", *(Draft(f"files/{ROOM}", f"based {at}", base, body=b"x") for at, base in enumerate(bases)))
    on.excused |= {*on.nodes}  # so many files are under way for a while

    def is_bounded() -> str:
        files = on.nodes["a1"].store.peek(lambda reader: [*reader.scan_all(f"files/{ROOM}")])
        named = {origin for one in files for origin, _ in one.past if origin.startswith("invented")}
        return "" if len(named) <= MAX_ORIGINS_SHARE else f"{len(named)} origins were invented by a user"

    on.expected.append(is_bounded)


# -- names --------------------------------------------------------------------------------------------


def two_nodes_of_one_name(on: Attacker) -> None:
    """A machine is copied, and both run."""
    on.excused |= {*on.nodes}  # who is refused waits for its administrator
    on.copy_a_machine()


ATTACKS: tuple[Callable[[Attacker], None], ...] = (
    values_of_any_type,
    a_key_with_a_nul,
    too_many_fields,
    full_of_fields,
    full_of_properties,
    two_full_pasts,
    an_old_version_in_a_crowd,
    invented_origins_of_a_partner,
    garbage_among_what_is_right,
    a_post_and_a_sign_from_the_future,
    a_horizon_that_is_deleted,
    a_horizon_of_a_later_birth,
    a_partner_that_was_ahead,
    a_node_that_was_behind,
    a_partner_a_little_ahead,
    a_clock_that_is_wrong_at_a_start,
    a_clock_that_was_believed,
    conflicts_of_a_partner,
    origins_of_a_user,
    two_nodes_of_one_name,
)
"""All of them; each is tried by every schedule of its turn."""
