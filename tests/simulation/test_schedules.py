"""A few dozen schedules; 'ctdlmirror-sim --seeds N' runs any number."""

import msgspec
import pytest

from mirror.model.draft import Draft, base_of
from mirror.model.edit import tombstone, with_fields
from mirror.model.keys import filed_key
from mirror.model.merge import inline_body, merge
from mirror.model.record import Record, Version, pack_head
from mirror.model.stamp import make_stamp
from mirror.model.texts import ANY, HEAD_KEY, own_text
from mirror.simulation.ledger import REPAIRED_MS, Deed, Ledger, Said
from mirror.simulation.schedule import run_seed


@pytest.mark.parametrize("first", range(1, 16, 5))
def test_nothing_is_lost_and_nothing_comes_back(first: int) -> None:
    for seed in range(first, first + 5):
        assert run_seed(seed).problems == [], f"replay: ctdlmirror-sim --first {seed} --seeds 1"


def test_a_seed_replays_exactly() -> None:
    assert run_seed(7) == run_seed(7)


def test_the_ledger_notices_what_is_missing_and_what_came_back() -> None:
    ledger = Ledger()
    kept = Record("files/r", "k", 10, "a", 10, body=b"kept")
    lost = Record("files/r", "l", 10, "a", 10, body=b"lost")
    dead = Record("files/r", "m", 20, "a", 0, dead=True)
    old = Record("files/r", "m", 15, "a", 15, body=b"old")
    for record in (kept, lost, old, dead):
        ledger.acknowledged("a", 0, Deed(record))
    problems = list(ledger.problems({("files/r", "k"): kept, ("files/r", "m"): old}))
    assert [problem.partition(":")[0] for problem in problems] == [
        "acknowledged at a and missing",
        "deleted at a and back",
    ]


def test_the_ledger_wants_concurrent_fields_in_the_log() -> None:
    base = with_fields(None, "users", "k", {"name": "base"}, 10, "a")
    one, two = (with_fields(base, "users", "k", {"name": origin}, 20, origin) for origin in "ab")
    merged = merge(one, two)
    ledger = Ledger()
    for origin, record in (("a", base), ("a", one), ("b", two)):
        ledger.acknowledged(origin, 0, Deed(record))
    final = {("users", "k"): merged.record}
    assert len(list(ledger.problems(final))) == 1
    ledger.logged("a", merged.losers[0])
    assert list(ledger.problems(final)) == []


def test_the_ledger_wants_what_a_stale_draft_took_away() -> None:
    base = with_fields(None, "users", "k", {"name": "base"}, 10, "a")
    unseen = with_fields(base, "users", "k", {"name": "unseen"}, 20, "a")
    after = with_fields(unseen, "users", "k", {"name": "draft"}, 30, "a")
    draft = Draft("users", "k", base_of(base), head=pack_head({"name": "draft"}))
    ledger = Ledger()
    for deed in (Deed(base), Deed(unseen), Deed(after, base_of(base).vector, Said(draft, b""))):
        ledger.acknowledged("a", 0, deed)
    final = {("users", "k"): after}
    assert [problem.partition(":")[0] for problem in ledger.problems(final)] == ["acknowledged at a and missing"]
    ledger.logged("a", unseen)
    assert list(ledger.problems(final)) == []


def test_the_ledger_wants_a_draft_that_lost_in_the_log_of_the_node_that_took_it() -> None:
    draft = Draft("users", "k", head=pack_head({"name": "draft"}))
    ledger = Ledger()
    ledger.acknowledged("a", 0, Deed(None, {}, Said(draft, b"")))
    ledger.logged("b", with_fields(None, "users", "k", {"name": "draft"}, 10, "a"))
    assert len(list(ledger.problems({}))) == 1
    ledger.logged("a", with_fields(None, "users", "k", {"name": "draft"}, 10, "a"))
    assert list(ledger.problems({})) == []


def test_the_ledger_notices_a_deletion_that_did_not_hold() -> None:
    record = with_fields(None, "users", "k", {"name": "here"}, 10, "a")
    ledger = Ledger()
    ledger.acknowledged("b", 0, Deed(None, {"a": 10}, Said(Draft("users", "k", base_of(record), dead=True), b"")))
    assert len(list(ledger.problems({("users", "k"): record}))) == 1


def test_the_ledger_takes_a_strangers_word_for_what_it_saw_where_its_version_just_won() -> None:
    written = with_fields(None, "users", "k", {"name": "written"}, 10, "a")
    theirs = with_fields(None, "users", "k", {"name": "theirs"}, 15, "m")
    anew = msgspec.structs.replace(with_fields(None, "users", "k", {"name": "anew"}, 30, "m"), born=30)
    ledger = Ledger()
    ledger.strangers = True
    ledger.acknowledged("a", 0, Deed(written))
    final = {("users", "k"): anew}
    ledger.logged("a", theirs, Version(20, "x"))
    assert len(list(ledger.problems(final))) == 1
    ledger.logged("a", theirs, Version(20, "x"), (("a", 10),))
    assert list(ledger.problems(final)) == []


@pytest.mark.parametrize(("origin", "missing"), [("a stranger", 0), ("a~1", 1)])
def test_the_ledger_knows_what_replaced_a_strangers_copy_of_a_version(origin: str, missing: int) -> None:
    ledger = Ledger()
    ledger.strangers = True
    ledger.acknowledged("a", 0, Deed(Record("files/r", "k", 10, "a", 10, body=b"written")))
    after = Record("files/r", "k", 20, "b", 10, past=((origin, 10),), body=b"after")
    assert len(list(ledger.problems({("files/r", "k"): after}))) == missing


def test_the_ledger_looks_for_what_was_written_anew_beside_other_messages_of_its_id() -> None:
    stamp = make_stamp(10 * REPAIRED_MS)
    ahead = Record("messages/r", "id:of a user", stamp, "a", stamp, body=b"ahead")
    other = msgspec.structs.replace(ahead, stamp=5, born=5, origin="m", body=b"other")
    ledger = Ledger()
    ledger.acknowledged("a", 0, Deed(ahead))
    ledger.repaired("a")
    final = {("messages/r", "id:of a user"): other}
    assert len(list(ledger.problems(final))) == 1
    for body in (b"ahead", b"a third one"):
        key = filed_key("id:of a user", own_text(msgspec.structs.replace(ahead, body=body), inline_body))
        beside = msgspec.structs.replace(ahead, key=key, stamp=7, born=7, origin="a~1", body=b"ahead")
        assert len(list(ledger.problems({**final, (beside.collection, key): beside}))) == (body != b"ahead")
    any_text = msgspec.structs.replace(other, key=filed_key("id:of a user", ANY), stamp=8, dead=True, body=b"")
    assert list(ledger.problems({**final, ("messages/r", any_text.key): any_text})) == []
    ledger = Ledger()
    ledger.acknowledged("a", 0, Deed(ahead))
    ledger.repaired("a")
    ledger.strangers = True
    assert len(list(ledger.problems(final))) == 1
    seen = msgspec.structs.replace(other, stamp=stamp + 1, past=(("a", stamp),))
    assert len(list(ledger.problems({("messages/r", "id:of a user"): seen}))) == 1
    edit = msgspec.structs.replace(seen, head=pack_head({HEAD_KEY: own_text(ahead, inline_body)}))
    assert list(ledger.problems({("messages/r", "id:of a user"): edit})) == []


def test_the_ledger_does_not_take_another_message_of_an_id_for_a_deleted_one_that_is_back() -> None:
    written = Record("messages/r", "id:of a user", 20, "a", 20, body=b"written")
    dead = tombstone(written, 30, "b")
    other = Record("messages/r", "id:of a user", 10, "a", 10, body=b"of a stranger")
    ledger = Ledger()
    for deed in (Deed(written), Deed(dead)):
        ledger.acknowledged("b", 0, deed)
    beside = msgspec.structs.replace(dead, key=filed_key(dead.key, own_text(written, inline_body)), head=b"")
    final = {("messages/r", "id:of a user"): other, ("messages/r", beside.key): beside}
    assert list(ledger.problems(final)) == []
    assert len(list(ledger.problems({("messages/r", "id:of a user"): written}))) == 1


def test_the_ledger_looks_for_a_renewed_stores_versions_by_their_stamps() -> None:
    before, since = (Record("files/r", key, make_stamp(ms), "a", 1, body=b"x") for key, ms in (("k", 500), ("l", 1500)))
    ledger = Ledger()
    for at, record in ((1500, before), (500, since)):  # by a clock that is wrong
        ledger.acknowledged("a", at, Deed(record))
    ledger.renamed("a", 1000)
    final = {("files/r", "l"): msgspec.structs.replace(since, origin="a~1")}
    assert [problem.partition(":")[0] for problem in ledger.problems(final)] == ["acknowledged at a and missing"]
    assert list(ledger.problems({**final, ("files/r", "k"): before})) == []


def test_the_ledger_knows_what_was_held_for_a_while_and_had_seen_a_version() -> None:
    ledger = Ledger()
    ledger.strangers = True
    ledger.acknowledged("a", 0, Deed(Record("files/r", "k", 10, "a", 10, body=b"written")))
    final = {("files/r", "k"): Record("files/r", "k", 30, "m", 30, body=b"of a stranger")}
    assert len(list(ledger.problems(final))) == 1
    ledger.met([Record("files/r", "k", 20, "x", 10, dead=True, past=(("a", 10),))])
    assert list(ledger.problems(final)) == []


def test_the_ledger_wants_in_the_log_what_a_deletion_of_any_text_took_along_unseen() -> None:
    seen, unseen = (Record("messages/r", "id:x", stamp, "a", stamp, body=f"{stamp}".encode()) for stamp in (10, 20))
    dead = Record("messages/r", filed_key("id:x", ANY), 30, "a", 15, dead=True)
    ledger = Ledger()
    for deed in (Deed(seen), Deed(unseen), Deed(dead, {"a": 15})):
        ledger.acknowledged("a", 0, deed)
    final = {("messages/r", dead.key): dead}
    assert [problem.partition(" stamp")[2][:3] for problem in ledger.problems(final)] == [" 20"]
    ledger.logged("a", unseen, dead.version)
    assert list(ledger.problems(final)) == []


def test_the_ledger_notices_a_message_that_took_the_place_of_all_others_of_its_id() -> None:
    lost = Record("messages/r", "id:x", 10, "a", 10, body=b"lost")
    won = Record("messages/r", filed_key("id:x", ANY), 30, "a", 30, body=b"written over a deletion of any text")
    ledger = Ledger()
    for record in (lost, won):
        ledger.acknowledged("a", 0, Deed(record))
    ledger.logged("a", lost, won.version)
    assert [problem.partition(" stamp")[2][:3] for problem in ledger.problems({("messages/r", won.key): won})] == [
        " 10"
    ]


def test_the_ledger_knows_of_which_thing_a_version_was_written() -> None:
    ledger = Ledger()
    ledger.acknowledged("a", 0, Deed(Record("messages/r", "id:x", 10, "a", 10, body=b"written")))
    edited, other = (Record("messages/r", key, 20, "b", 10, past=(("a", 10),), body=b"x") for key in ("id:x", "id:y"))
    assert [ledger.was_written(one, Version(10, "a")) for one in (edited, other)] == [True, False]
    assert not ledger.was_written(edited, Version(11, "a"))
    copies = (Record("messages/r", "id:x", 10, "a", 10, body=body) for body in (b"written", b"invented"))
    assert [ledger.was_written(one, Version(10, "a")) for one in copies] == [True, False]
