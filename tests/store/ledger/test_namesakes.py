"""Messages of one message id in real stores: all are kept, and each is read, edited and deleted by itself."""

import random
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from namesake_versions import PLAIN, ROOM, body, canonical, edit, histories, own, state_of, version

from mirror.model.draft import Base, Draft, base_of
from mirror.model.drafting import deletion_of
from mirror.model.edit import Loser, tombstone
from mirror.model.keys import filed_key, split_key
from mirror.model.nodes import Horizon
from mirror.model.record import Record
from mirror.model.texts import ANY, naming
from mirror.store.base import Writer
from mirror.store.check import check_store
from mirror.store.sqlite.store import SqliteStore
from mirror.store.values import DraftResult
from mirror.sync.reconcile import reconcile
from mirror.sync.responder import Responder

Make = Callable[..., SqliteStore]
A, C = version("first", 10), version("third", 12, "c")
FIRST, SECOND = sorted((A, C), key=own)
"""Of two messages of one id, the one that keeps the plain key, and the one that is filed."""
FILED = filed_key(PLAIN, own(SECOND))


def everything(store: SqliteStore) -> list[Record]:
    return store.read(lambda reader: reader.scan(ROOM, limit=100_000))


def alive(store: SqliteStore) -> dict[str, bytes]:
    return {one.key: store.read(lambda reader, one=one: reader.body(one)) for one in everything(store) if not one.dead}


def take(store: SqliteStore, *records: Record) -> None:
    store.write(lambda writer: writer.apply(records))


def draft(store: SqliteStore, one: Draft) -> DraftResult:
    return store.write(lambda writer: writer.write(one))


def conflicts(store: SqliteStore) -> int:
    return store.read(lambda reader: reader.conflict_count())


@settings(max_examples=40)
@given(histories(), st.randoms(use_true_random=False), st.integers(1, 5))
def test_stores_hold_what_the_rules_say_however_the_versions_come(
    made: list[Record], chance: random.Random, size: int
) -> None:
    expected = canonical(state_of(made))
    with tempfile.TemporaryDirectory() as directory:
        store = SqliteStore(Path(directory), "s", durable=False)
        again = made + made
        chance.shuffle(again)
        for at in range(0, len(again), size):
            take(store, *again[at : at + size])
        assert canonical({one.key: one for one in everything(store)}) == expected
        assert check_store(store).problems == []
        store.close()


def test_what_is_posted_under_an_id_that_is_taken_is_kept_beside_it(make_store: Make) -> None:
    store = make_store("a")
    first = draft(store, Draft(ROOM, PLAIN, body=body("one"))).record
    second = draft(store, Draft(ROOM, PLAIN, body=body("two"))).record
    again = draft(store, Draft(ROOM, PLAIN, body=body("one", way="other"))).record
    assert first is not None and second is not None and again is not None
    assert (first.key, second.key, again.key) == (PLAIN, filed_key(PLAIN, own(second)), PLAIN)
    assert sorted(alive(store).values()) == sorted((again.body, second.body))
    assert conflicts(store) == 0


def test_clients_of_010_that_name_no_base_replace_the_same_text_alone(make_store: Make) -> None:
    store = make_store("a")
    for text in ("one", "two", "one"):
        store.write(lambda writer, text=text: writer.overwrite(version(text, 1)))
    assert sorted(alive(store).values()) == sorted((body("one"), body("two")))
    assert conflicts(store) == 0


def test_a_draft_changes_the_message_that_it_was_made_from_wherever_that_is_now(make_store: Make) -> None:
    store = make_store("a")
    take(store, SECOND)
    base = base_of(SECOND)
    take(store, FIRST)
    assert set(alive(store)) == {PLAIN, FILED}
    changed = draft(store, Draft(ROOM, PLAIN, base, body=body("edited"))).record
    assert changed is not None and changed.key == FILED
    assert alive(store) == {PLAIN: FIRST.body, FILED: body("edited")}
    draft(store, msgspec.structs.replace(deletion_of(SECOND), base=base_of(changed)))
    assert alive(store) == {PLAIN: FIRST.body}
    assert conflicts(store) == 0


def test_a_deletion_of_what_was_shown_under_the_plain_key_takes_that_alone(make_store: Make) -> None:
    store = make_store("a")
    take(store, SECOND)
    shown = deletion_of(SECOND)
    take(store, FIRST)
    draft(store, shown)
    assert alive(store) == {PLAIN: FIRST.body}


def test_a_deletion_of_what_has_not_come_yet_beside_another_one_meets_it_when_it_comes(make_store: Make) -> None:
    store = make_store("a")
    take(store, FIRST)
    made = draft(store, deletion_of(SECOND)).record  # as it was shown elsewhere, under the plain key
    assert made is not None and (made.key, made.head) == (FILED, b"")
    take(store, SECOND)
    assert alive(store) == {PLAIN: FIRST.body}
    assert conflicts(store) == 0


def test_what_a_deletion_of_any_text_takes_along_unseen_is_in_the_conflict_log(make_store: Make) -> None:
    """Its base has not come here, and it does not say which text that was: it means whatever has the id."""
    store = make_store("a")
    shown, other = (draft(store, Draft(ROOM, PLAIN, body=body(text))).record for text in ("shown", "not shown"))
    assert shown is not None and other is not None
    base = Base(shown.stamp + (1 << 26), "b", (("a", shown.stamp),), born=shown.stamp + (1 << 26))
    deleted = draft(store, Draft(ROOM, PLAIN, base, dead=True)).record
    assert (deleted and deleted.dead, alive(store)) == (True, {})
    lost = [one.loser for one in store.read(lambda reader: reader.conflicts())]
    assert [one.body for one in lost] == [body("not shown")]
    number = store.read(lambda reader: reader.conflicts())[0].number
    store.write(lambda writer: writer.restore(number))
    assert [*alive(store).values()] == [body("not shown")]


@pytest.mark.parametrize("as_draft", [True, False])
def test_what_is_written_where_a_deletion_of_any_text_is_filed_is_a_message_of_its_own(
    make_store: Make, as_draft: bool
) -> None:
    store = make_store("a")
    take(store, msgspec.structs.replace(tombstone(version("gone", 5), 6, "d"), head=b""), A, C)
    (dead,) = (one for one in everything(store) if one.dead)
    assert dead.key == filed_key(PLAIN, ANY)
    over = version("written over it", 1, key=dead.key)
    if as_draft:
        made = draft(store, Draft(ROOM, dead.key, base_of(dead), body=over.body)).record
    else:
        made = store.write(lambda writer: writer.put(over))
    assert made is not None and made.key == filed_key(PLAIN, own(over))
    take(store, msgspec.structs.replace(version("of a peer", 1 << 40, "m"), key=dead.key))
    expected = [one.body for one in (A, C, over)] + [body("of a peer")]
    assert sorted(alive(store).values()) == sorted(expected)
    assert conflicts(store) == 0


def test_each_is_deleted_by_its_key_and_the_others_stay(make_store: Make) -> None:
    store = make_store("a")
    take(store, A, C)
    store.write(lambda writer: writer.delete(ROOM, PLAIN))
    assert alive(store) == {FILED: SECOND.body}
    take(store, FIRST)  # from a node that has not heard
    assert alive(store) == {FILED: SECOND.body}
    store.write(lambda writer: writer.delete(ROOM, FILED))
    take(store, SECOND, msgspec.structs.replace(SECOND, key=FILED))
    assert alive(store) == {}
    assert conflicts(store) == 0


def test_bodies_that_are_kept_apart_are_told_apart(make_store: Make) -> None:
    store = make_store("a")
    texts = ["long " * 5000, "longer " * 5000]

    def job(writer: Writer) -> None:
        for number, text in enumerate(texts):
            whole = writer.store_body(version("", 10 + number), body(text))
            crlf = writer.store_body(version("", 20 + number, "b"), body(text, way="b").replace(b"\n", b"\r\n"))
            writer.apply([whole])
            writer.apply([crlf])

    store.write(job)
    assert len(alive(store)) == 2
    assert conflicts(store) == 0


def test_importing_again_changes_nothing(make_store: Make) -> None:
    store = make_store("a")
    imported = [version(text, 10, "citadel:x", born=1) for text in ("one", "two", "three")]
    for _ in range(3):
        applied = store.write(lambda writer: writer.absorb(imported))
        for one in reversed(imported):
            applied += store.write(lambda writer, one=one: writer.absorb([one]))
    assert (applied.written, applied.already_held) == (0, 6)
    assert sorted(alive(store).values()) == sorted(one.body for one in imported)
    assert conflicts(store) == 0


def test_an_import_deletes_and_keeps_what_was_deleted_here_alone(make_store: Make) -> None:
    store = make_store("a")
    imported = [version(text, 10, "citadel:x", born=1) for text in ("one", "two", "three")]
    store.write(lambda writer: writer.absorb(imported))
    gone = next(one for one in everything(store) if one.key == PLAIN)
    store.write(lambda writer: writer.delete(ROOM, PLAIN))
    store.write(lambda writer: writer.absorb(imported))
    assert sorted(alive(store).values()) == sorted(one.body for one in imported if one.body != gone.body)


def test_conflicts_of_010_with_messages_that_are_kept_now_are_resolved(make_store: Make) -> None:
    """0.1.0 kept one of them, and the others in the conflict log; an import brings them again."""
    store = make_store("a")
    take(store, A)
    store.write(lambda writer: [writer.beat(), writer.log_conflict(1, Loser(C), A, "")])
    assert conflicts(store) == 1
    store.write(lambda writer: writer.absorb([C]))
    assert conflicts(store) == 0
    assert sorted(alive(store).values()) == sorted((A.body, C.body))


def test_restoring_a_message_that_lost_to_another_one_takes_nothing_away(make_store: Make) -> None:
    store = make_store("a")
    take(store, A)
    store.write(lambda writer: writer.log_conflict(1, Loser(C), A, ""))
    restored = store.write(lambda writer: writer.restore(writer.conflicts()[0].number))
    assert restored.body == C.body
    assert sorted(alive(store).values()) == sorted((A.body, C.body))
    assert conflicts(store) == 0


def test_a_conflict_about_a_message_is_resolved_wherever_it_is_filed_by_then(make_store: Make) -> None:
    one, two = make_store("a"), make_store("b")
    edits = [edit(SECOND, "left", 30, "a"), edit(SECOND, "right", 31, "b")]
    for store in (one, two):
        take(store, *edits)
        assert conflicts(store) == 1
        take(store, FIRST)
    restored = one.write(lambda writer: writer.restore(writer.conflicts()[0].number))
    assert restored.body == body("left")
    take(two, *everything(one))
    assert (conflicts(one), conflicts(two)) == (0, 0)
    assert alive(one) == alive(two) == {PLAIN: FIRST.body, FILED: body("left")}


def test_a_deletion_too_old_to_be_seen_takes_its_own_message_alone(make_store: Make) -> None:
    store = make_store("a", now_ms=lambda: 10_000)
    take(store, A, C)
    dead = tombstone(SECOND, 20, "z")
    store.write(lambda writer: writer.advance_horizon(Horizon(1000, ("a",))))
    take(store, dead)
    assert alive(store) == {PLAIN: FIRST.body}
    (again,) = (one for one in everything(store) if one.dead)
    assert (again.key, again.origin) == (FILED, "a")
    take(store, dead, tombstone(version("never seen", 15), 21, "a"))
    assert [one.key for one in everything(store) if one.dead] == [FILED]


def test_two_nodes_that_posted_under_one_id_are_equal_after_one_comparison(make_store: Make) -> None:
    for mine, theirs in ((A, C), (C, A)):
        one, two = make_store("a"), make_store("b")
        take(one, mine)
        take(two, theirs)
        reconcile(one, Responder(two), "b", push=True)
        assert one.read(lambda reader: reader.root()).digest == two.read(lambda reader: reader.root()).digest
        assert sorted(alive(one).values()) == sorted((A.body, C.body))
        assert conflicts(one) == conflicts(two) == 0


@pytest.mark.parametrize("held", [1, 300])
def test_one_more_of_an_id_costs_the_same_however_many_there_are(make_store: Make, held: int) -> None:
    store = make_store("a")
    for at in range(held):
        take(store, version(f"text {at}", 10 + at))
    asked: list[str] = []

    def job(writer: Writer) -> None:
        connection: sqlite3.Connection = writer.connection
        connection.set_trace_callback(asked.append)
        writer.apply([version("one more", 1000)])
        connection.set_trace_callback(None)

    store.write(job)
    assert len(alive(store)) == held + 1
    assert len(asked) <= 60


def test_what_says_more_than_it_has_to_is_kept_in_the_one_form_that_every_node_makes(make_store: Make) -> None:
    one, two = make_store("a"), make_store("b")
    telling = msgspec.structs.replace(FIRST, head=naming(b"", own(FIRST)))
    take(one, FIRST)
    take(two, telling)
    assert everything(one) == everything(two)
    filed = msgspec.structs.replace(SECOND, key=FILED, head=naming(b"", own(FIRST)))
    take(one, SECOND)
    take(two, filed)
    assert everything(one) == everything(two)


def test_ids_that_hold_the_sign_themselves_are_no_namesakes(make_store: Make) -> None:
    store = make_store("a")
    for key in (PLAIN, f"{PLAIN}#1", f"{PLAIN}#x#0"):
        draft(store, Draft(ROOM, key, body=body(key)))
    assert set(alive(store)) == {PLAIN, f"{PLAIN}#1", f"{PLAIN}#x#0"}
    assert [split_key(key)[1] for key in alive(store)] == ["", "", ""]
