"""The rules, with real stores and the engine on both sides: whatever is written and exchanged, all end equal."""

from collections.abc import Callable

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule

from mirror.model.draft import Draft
from mirror.model.record import Record
from mirror.store.base import Writer
from mirror.store.check import check_store
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.bootstrap import copy_all
from mirror.sync.exchange import MirrorExchange
from mirror.sync.reconcile import reconcile
from mirror.sync.remote import StaleCursor
from mirror.sync.responder import Responder
from mirror.sync.round import Round
from mirror.wire.codec import Cursor

Make = Callable[..., SqliteStore]
NODES = ("a", "b", "c")
KEYS = st.sampled_from(("k", "l", "m"))
NODE = st.sampled_from(NODES)


def put(store: SqliteStore, key: str, body: bytes, collection: str = "messages/r") -> Record:
    draft = Record(collection, key, 1, "x", 1)
    written: Record = store.write(lambda writer: writer.put(writer.store_body(draft, body)))
    return written


def pull(store: SqliteStore, other: SqliteStore, pages: int = 1000) -> None:
    """Do what a link does that does not push; stop after some pages, as a lost link does."""
    work, remote = Round(MirrorExchange(store, other.node), pushing=False), Responder(other)
    work.prepare(remote, other.epoch)
    for number, _ in enumerate(work.pull(remote.since, remote, other.epoch), 1):
        if number >= pages:
            return


def digests(stores: list[SqliteStore]) -> set[object]:
    return {store.read(lambda reader: reader.root()).digest for store in stores}


class Nodes(RuleBasedStateMachine):
    """Three nodes; anything happens; then everybody talks to everybody, and all must be equal."""

    tombstones = Bundle("tombstones")

    @initialize()
    def start(self) -> None:
        import tempfile
        from pathlib import Path

        self.directory = tempfile.TemporaryDirectory(prefix="mirror-test-")
        self.now = 1_700_000_000_000
        self.stores = {}
        for node in NODES:
            (Path(self.directory.name) / node).mkdir()
            self.open(node)

    def open(self, node: str) -> None:
        from pathlib import Path

        self.stores[node] = SqliteStore(Path(self.directory.name) / node, node, now_ms=lambda: self.now)

    @rule(node=NODE, key=KEYS, body=st.sampled_from((b"one", b"two", b"L" * 20_000)))
    def write_message(self, node: str, key: str, body: bytes) -> None:
        put(self.stores[node], f"euid:{key}", body)

    @rule(node=NODE, body=st.sampled_from((b"one", b"two", b"three", b"L" * 20_000)), knowing=st.booleans())
    def post_under_one_id(self, node: str, body: bytes, knowing: bool) -> None:
        """A message of its own, or an edit of the one that has the plain key."""
        if knowing:
            put(self.stores[node], "id:k", body)
        else:
            draft = Draft("messages/r", "id:k")

            def job(writer: Writer) -> None:
                kept = writer.store_body(Record(draft.collection, draft.key, 1, "x", 1), body)
                writer.write(msgspec.structs.replace(draft, body=kept.body, content=kept.content, size=kept.size))

            self.stores[node].write(job)

    @rule(node=NODE, which=st.integers(0, 3))
    def delete_one_of_an_id(self, node: str, which: int) -> None:
        def job(writer: Writer) -> None:
            living = [record.key for record in writer.scan_all("messages/r", "id:k")]
            if living:
                writer.delete("messages/r", living[which % len(living)])

        self.stores[node].write(job)

    @rule(node=NODE, key=KEYS, field=st.sampled_from("xy"), value=st.integers(0, 3))
    def set_field(self, node: str, key: str, field: str, value: int) -> None:
        self.stores[node].write(lambda writer: writer.set_fields("users", key, {field: value}))

    @rule(node=NODE, key=KEYS)
    def delete(self, node: str, key: str) -> None:
        self.stores[node].write(lambda writer: writer.delete("messages/r", f"euid:{key}"))

    @rule(node=NODE, name=st.sampled_from(("Lobby", "Lounge", "Bar")))
    def rename_room(self, node: str, name: str) -> None:
        self.stores[node].write(lambda writer: writer.set_fields("rooms", "r", {"QRname": name}))

    @rule(node=NODE)
    def kill_room(self, node: str) -> None:
        """A room goes with all that is in it, in one transaction."""

        def job(writer: Writer) -> None:
            writer.delete("rooms", "r")
            for record in list(writer.scan_all("messages/r")):
                writer.delete("messages/r", record.key)

        self.stores[node].write(job)
        assert self.stores[node].read(lambda reader: list(reader.scan_all("messages/r"))) == []

    @rule(node=NODE, key=KEYS)
    def delete_user(self, node: str, key: str) -> None:
        self.stores[node].write(lambda writer: writer.delete("users", key))

    @rule(node=NODE)
    def restore_a_conflict(self, node: str) -> None:
        def job(writer: Writer) -> None:
            found = writer.conflicts(limit=1)
            if found and not found[0].loser.dead:
                writer.restore(found[0].number)

        self.stores[node].write(job)

    @rule(node=NODE, other=NODE, pages=st.integers(1, 3))
    def pull_some(self, node: str, other: str, pages: int) -> None:
        if node != other:
            pull(self.stores[node], self.stores[other], pages)

    @rule(node=NODE, other=NODE, push=st.booleans())
    def reconcile_two(self, node: str, other: str, push: bool) -> None:
        if node != other:
            reconcile(self.stores[node], Responder(self.stores[other]), other, push=push)
            if push:
                assert len(digests([self.stores[node], self.stores[other]])) == 1

    @rule(node=NODE)
    def restart(self, node: str) -> None:
        before = digests([self.stores[node]])
        self.stores[node].close()
        self.open(node)
        assert digests([self.stores[node]]) == before

    @rule(milliseconds=st.integers(-5000, 5000))
    def clock_jumps(self, milliseconds: int) -> None:
        self.now += milliseconds

    @rule(node=NODE)
    def epoch_is_renewed(self, node: str) -> None:
        self.stores[node].renew_epoch()

    def teardown(self) -> None:
        if not hasattr(self, "stores"):
            return
        for _ in range(2):  # a ring: what a has reaches c through b
            for node, other in (("b", "a"), ("c", "b"), ("a", "c")):
                pull(self.stores[node], self.stores[other])
        assert len(digests(list(self.stores.values()))) == 1
        for store in self.stores.values():
            assert check_store(store).problems == []
            store.close()
        self.directory.cleanup()


TestNodes = Nodes.TestCase
TestNodes.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_a_copy_that_is_interrupted_goes_on_where_it_was(make_store: Make, monkeypatch) -> None:
    source, copy = make_store("a"), make_store("b")
    source.write(
        lambda writer: [writer.put(Record("messages/r", f"id:{n}", 1, "x", 1, body=b"m")) for n in range(5000)]
    )
    responder = Responder(source)
    state = responder.info()
    sent: list[int] = []

    class Breaks(Responder):
        def since(self, cursor, allows=None):
            for page in super().since(cursor, allows):
                if len(sent) == 2:
                    raise ConnectionError("lost")
                sent.append(len(page.records))
                yield page

    try:
        copy_all(copy, Breaks(source), state)
    except ConnectionError:
        pass
    copied = copy_all(copy, responder, state)
    assert copied.resumed
    assert copied.applied.written == 5000 - sum(sent)
    assert copied.applied.already_held == 0
    assert copied.unequal == []


def test_only_the_difference_travels(make_store: Make) -> None:
    one, two = make_store("a"), make_store("b")
    records = [Record("messages/r", f"id:{n}", n + 1, "x", 1, body=b"m") for n in range(5000)]
    one.write(lambda writer: writer.apply(records))
    two.write(lambda writer: writer.apply([r for r in records if r.stamp % 1000]))
    listed: list[int] = []

    class Counts(Responder):
        def ranges(self, collection, ranges):
            answers = super().ranges(collection, ranges)
            listed.extend(len(answer.entries) for answer in answers if hasattr(answer, "entries"))
            return answers

    outcome = reconcile(two, Counts(one), "a")
    assert (outcome.wanted, outcome.pulled.written, outcome.surplus) == (5, 5, 0)
    assert sum(listed) < 5 * 65
    assert digests([one, two]) == digests([one])


def test_a_store_restored_from_a_backup_is_recognised(make_store: Make, tmp_path) -> None:
    one, two = make_store("a"), make_store("b")
    put(one, "id:1", b"m")
    (tmp_path / "backup").mkdir()
    one.backup(tmp_path / "backup" / "store.sqlite")
    put(one, "id:2", b"m")
    pull(two, one)
    one.close()
    restored = SqliteStore(tmp_path / "backup")
    restored.renew_epoch()
    put(restored, "id:3", b"m")
    pull(two, restored)
    pull(restored, two)  # what was written after the backup comes back from who has it
    assert digests([two]) == digests([restored])
    assert restored.read(lambda reader: len(list(reader.scan_all("messages/r")))) == 3
    restored.close()


def test_a_cursor_beyond_the_end_is_stale(make_store: Make) -> None:
    store = make_store("a")
    put(store, "id:1", b"m")
    responder = Responder(store)
    try:
        list(responder.since(Cursor(store.epoch, 99)))
    except StaleCursor as error:
        assert "reconcile" in str(error)
    else:
        raise AssertionError("a cursor into the future was taken")


def test_what_a_newer_node_sends_is_kept_and_passed_on_unread(make_store: Make) -> None:
    new, old, other = make_store("a"), make_store("b"), make_store("c")
    put(new, "any key", b"\xff\0 nobody here knows this", "hologram/room")
    pull(old, new)
    pull(other, old)
    assert digests([new, old, other]) == digests([new])
    assert other.read(lambda reader: reader.get("hologram/room", "any key")).body.endswith(b"knows this")
