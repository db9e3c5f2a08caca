"""Pages shared by tailing peers: read once, never stale, never piled up."""

from pathlib import Path

import gevent

from mirror.model.record import Record
from mirror.server.pages import SharedPages, changes_of
from mirror.store.green import open_green
from mirror.store.open import Options
from mirror.sync.share.policy import ShareScope
from netconf.rules import read_rules


def test_many_who_wait_for_the_same_change_share_one_read(tmp_path: Path) -> None:
    store = open_green(tmp_path, "a")
    pages = SharedPages(store)
    reads = []
    inner = pages._responder.page

    def counted(after):
        reads.append(after)
        return inner(after)

    pages._responder.page = counted  # type: ignore[method-assign]
    store.write(lambda writer: writer.put(Record("pictures", "k", 1, "x", 1)))
    found = [greenlet.get() for greenlet in [gevent.spawn(pages.read, 0) for _ in range(20)]]
    assert reads == [0]
    assert all([record.key for record in shared.page.records] == ["k"] for shared in found)
    store.write(lambda writer: writer.put(Record("pictures", "l", 1, "x", 1)))
    assert [record.key for record in pages.read(0).page.records] == ["k", "l"]
    store.close()


def test_pages_of_a_peer_that_catches_up_are_not_kept(tmp_path: Path) -> None:
    store = open_green(tmp_path, "a")
    records = [Record("pictures", f"k{n}", n + 1, "a", 1, body=b"x" * 1000) for n in range(3000)]
    store.write(lambda writer: writer.apply(records))
    pages = SharedPages(store)
    after, seen = 0, 0
    while True:
        shared = pages.read(after)
        after, seen = shared.page.cursor.sequence, seen + len(shared.page.records)
        if not shared.more:
            break
        assert pages._pages._reading == {}
    assert seen == 3000
    store.close()


def test_a_page_is_read_again_once_something_in_it_is_too_old_to_be_shown(tmp_path: Path) -> None:
    now = [1_800_000_000_000]
    store = open_green(tmp_path, "a", options=Options(now_ms=lambda: now[0]))
    (rule,) = read_rules(b"mirror_share|b||max_age=1m\n")
    pages = SharedPages(store, ShareScope({"a:1": rule}))
    store.write(lambda writer: writer.put(Record("messages/a:1", "id:k", 1, "x", 1, body=b"x")))
    kept = pages.read(0)
    now[0] += 60_000
    assert pages.read(0) is kept
    assert [record.key for record in kept.page.records] == ["id:k"]
    now[0] += 1
    assert pages.read(0).page.records == []
    store.close()


def test_what_changed_is_looked_up_once_for_all_who_wait_and_again_after_a_commit(tmp_path: Path) -> None:
    store = open_green(tmp_path, "a")
    changes = changes_of(store)
    reads = []
    inner = store.read

    def counted(job):
        reads.append(job)
        return inner(job)

    store.read = counted  # type: ignore[method-assign]
    store.write(lambda writer: writer.put(Record("pictures", "k", 1, "x", 1)))
    found = [greenlet.get() for greenlet in [gevent.spawn(changes.after, 0) for _ in range(20)]]
    assert len(reads) == 1
    assert {(changed.collections, changed.sequence) for changed in found} == {(frozenset({"pictures"}), 1)}
    store.write(lambda writer: writer.put(Record("bios", "k", 1, "x", 1)))
    assert changes.after(1)[:2] == (frozenset({"bios"}), 2)
    store.close()
