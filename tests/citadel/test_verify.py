"""A node compared with a server: whatever differs is found, what may differ is told apart, nothing else is."""

from collections.abc import Callable

import pytest
from exports import small_export
from made_server import Server

from mirror.citadel.meaning.homes import settle
from mirror.citadel.meaning.keys import Pair, add_pairs
from mirror.citadel.migr.importer import Importer
from mirror.citadel.verify import (
    AT_HOME,
    BY_ITSELF,
    BY_NOBODY,
    RULES_AT_HOME,
    VERIFIED,
    Comparing,
    Verified,
    declared_for,
)  # fmt: skip
from mirror.formats.message import serialize_message
from mirror.model.record import Record
from mirror.store.base import Writer
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.claims import claim

Make = Callable[..., SqliteStore]
LOBBY, MARKS = "messages/alpha:1", "visits/alpha:1"


def imported(store: SqliteStore, data: bytes, source: str = "x") -> SqliteStore:
    assert Importer(store, source).run([data]).refused == []
    return store


def compared(make_store: Make, changed: Callable[[Writer], object], there: bytes = b"") -> Verified:
    """Compare a node that was changed with the server as it was imported."""
    data = small_export(seen="10")
    ours = imported(make_store("m"), data)
    ours.write(changed)
    return Comparing(ours, imported(make_store("m"), there or data), "alpha").compare()


def told(found: Verified) -> list[tuple[str, str, str]]:
    return [(one.collection, one.key, one.field) for one in found.differences]


def text(words: bytes) -> bytes:
    return serialize_message([("I", b"10@example"), ("T", b"1690000300"), ("M", words)])


def test_what_was_imported_is_equal(make_store: Make) -> None:
    found = compared(make_store, lambda _writer: None)
    assert found.equal and found.differences == [] and found.declared == {}
    assert all(one.equal and one.here == one.there for one in found.collections)
    assert {one.collection for one in found.collections} == {"config", "users", "rooms", LOBBY, MARKS}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda w: w.set_fields("users", "alpha:2", {"u_password": "x"}), ("users", "alpha:2", "u_password")),
        (lambda w: w.set_fields("rooms", "alpha:1", {"QRname": "x"}), ("rooms", "alpha:1", "QRname")),
        (lambda w: w.set_fields("rooms", "alpha:9", {"QRname": "x"}), ("rooms", "alpha:9", "(the record)")),
        (lambda w: w.set_fields("config", "c_x", {"value": "x"}), ("config", "c_x", "(the record)")),
        (lambda w: w.delete(LOBBY, "id:10@example"), (LOBBY, "id:10@example", "(the record)")),
        (
            lambda w: w.set_fields(MARKS, "alpha:2 id:11@example", {"seen": True}),
            (MARKS, "alpha:2 id:11@example", "seen"),
        ),
        (
            lambda w: w.set_fields(MARKS, "alpha:2 id:10@example", {"seen": False}),
            (MARKS, "alpha:2 id:10@example", "seen"),
        ),
        (
            lambda w: w.put(Record("bios", "alpha:2", 1, "", 1, body=text(b"x"))),
            ("bios", "alpha:2", "(the record)"),
        ),
        (
            lambda w: w.put(Record("files/alpha:1", "a.txt", 1, "", 1, body=b"x")),
            ("files/alpha:1", "a.txt", "(the record)"),
        ),
    ],
)  # fmt: skip
def test_whatever_differs_is_named(
    make_store: Make, change: Callable[[Writer], object], where: tuple[str, str, str]
) -> None:
    found = compared(make_store, change)
    assert told(found) == [where] and found.undeclared == 1 and not found.equal
    assert [one.collection for one in found.collections if not one.equal] == [where[0]]


def test_a_text_that_differs_is_named_once_and_its_bytes_alone_are_declared(make_store: Make) -> None:
    def other(writer: Writer) -> None:
        writer.put(Record("user-settings", "alpha:2 id:s", 1, "", 1, body=text(b"here\r\n")))

    there = imported(make_store("m"), small_export())
    for words, differs in ((b"here\n", False), (b"there\n", True)):
        ours = imported(make_store("m"), small_export())
        ours.write(other)
        body = text(words)
        there.write(lambda w, body=body: w.put(Record("user-settings", "alpha:2 id:s", 1, "", 1, body=body)))
        found = Comparing(ours, there, "alpha").compare()
        assert [one.field for one in found.differences] == ["(the body)"] * differs
        assert sum(found.declared.values()) == (not differs)
        assert all(one.equal for one in found.collections) != differs


def test_versions_are_no_difference(make_store: Make) -> None:
    found = compared(make_store, lambda w: w.set_fields("rooms", "alpha:1", {"QRname": "Lobby"}))
    assert found.equal and found.differences == []


def test_the_servers_own_visits_are_declared(make_store: Make) -> None:
    visit = b"<visit>\n<v_roomnum>1</v_roomnum><v_roomgen>1</v_roomgen><v_usernum>0</v_usernum>\n</visit>\n<message>"
    found = compared(make_store, lambda _w: None, small_export(seen="10").replace(b"<message>", visit, 1))
    assert found.equal and found.declared == {BY_NOBODY: 1}
    assert [one.why for one in found.told] == [BY_NOBODY]


def test_what_another_server_has_is_not_compared(make_store: Make) -> None:
    ours = imported(make_store("m"), small_export(seen="10"))
    imported(ours, small_export(seen="10").replace(b">alpha<", b">beta<"), "beta")
    ours.write(lambda writer: writer.set_fields("config", "c_nodename", {"value": "alpha"}))
    found = Comparing(ours, imported(make_store("m"), small_export(seen="10")), "alpha").compare()
    assert found.differences == [] and all("beta" not in one.collection for one in found.collections)


def test_a_message_under_another_key_of_its_id_is_the_same(make_store: Make) -> None:
    server = Server()
    server.user(2, "Ann")
    server.room(1, "Lobby")
    first, second = (server.post(1, words, name="same@id") for words in ("one", "two"))
    ours = imported(make_store("m"), server.export())
    server.lists[1].remove(first)
    ours.write(lambda writer: writer.delete(LOBBY, "id:same@id"))
    found = Comparing(ours, imported(make_store("m"), server.export()), "alpha").compare()
    assert second and found.equal and list(found.declared.values()) == [1]


def test_a_server_made_anew_may_have_what_a_new_one_has_by_itself_and_nothing_else(make_store: Make) -> None:
    def more(writer: Writer) -> None:
        writer.set_fields("floors", "5", {"f_num": "5"})
        writer.put(Record("system-messages", "hello", 1, "", 1, body=b"Hello"))
        writer.set_fields("users", "alpha:2", {"u_emailaddrs": ""})

    ours, theirs = (imported(make_store("m"), small_export()) for _ in range(2))
    theirs.write(more)
    assert Comparing(ours, theirs, "alpha").compare().undeclared == 3
    found = Comparing(ours, theirs, "alpha", made_anew=True).compare()
    assert found.equal and found.declared == {BY_ITSELF: 3} and all(one.equal for one in found.collections)
    theirs.write(lambda writer: writer.set_fields("users", "alpha:2", {"u_emailaddrs": "eve@example.org"}))
    theirs.write(lambda writer: writer.set_fields("users", "alpha:9", {"u_fullname": "Eve"}))
    ours.write(lambda writer: writer.put(Record("system-messages", "bye", 1, "", 1, body=b"Bye")))
    found = Comparing(ours, theirs, "alpha", made_anew=True).compare()
    assert [one[1] for one in told(found)] == ["bye", "alpha:2", "alpha:9"]


def test_what_every_server_has_is_not_looked_for_at_one_that_shares_things_with_others(make_store: Make) -> None:
    """Such a one's settings are its own, and neither itself nor floors that it lacks are taken over."""
    ours, theirs = imported(make_store("m"), small_export()), imported(make_store("m"), small_export())
    ours.write(lambda writer: writer.set_fields("floors", "5", {"f_num": "5", "f_name": ""}))
    ours.write(lambda writer: writer.set_fields("users", "alpha:0", {"u_fullname": "SYS_Citadel"}))
    assert len(Comparing(ours, theirs, "alpha").compare().differences) == 2
    for key in [record.key for record in theirs.read(lambda reader: list(reader.scan_all("config")))]:
        theirs.write(lambda writer, key=key: writer.delete("config", key))
    empty = make_store("m")
    for name in ("users", "rooms", LOBBY, MARKS):
        for record in theirs.read(lambda reader, name=name: list(reader.scan_all(name))):
            empty.write(lambda writer, record=record: writer.apply([record]))
    assert Comparing(ours, empty, "alpha").compare().differences == []
    ours.write(lambda writer: writer.set_fields("floors", "5", {"f_name": "Cellar"}))
    assert told(Comparing(ours, empty, "alpha").compare()) == [("floors", "5", "(the record)")]


def test_every_kind_that_may_differ_has_a_reason() -> None:
    assert all(one.why for one in VERIFIED)


def test_lines_of_a_room_that_is_at_home_on_another_server_may_differ(make_store: Make) -> None:
    def lines(writer: Writer) -> None:
        writer.put(Record("netconf/alpha:1", "netconf", 1, "", 1, body=b"listrecp|x@example.net\n"))

    assert told(compared(make_store, lines)) == [("netconf/alpha:1", "netconf", "(the record)")]
    found = compared(make_store, lambda w: (lines(w), settle(w, "rooms", "alpha:1", "citadel:beta")))
    assert found.equal and found.declared == {AT_HOME: 1}


RULE = b"Content-type: x/y\n\nrule|0|all|||||redirect||x@example.net||stop\n"


@pytest.mark.parametrize(
    ("collection", "words"), [("bios", b"Content-type: text/plain\n\nI like mirrors.\n"), ("inbox-rules", RULE)]
)
@pytest.mark.parametrize(("is_paired", "undeclared"), [(True, 0), (False, 1)])
def test_what_a_paired_server_shows_as_it_is_here_is_as_written(
    make_store: Make, collection: str, words: bytes, is_paired: bool, undeclared: int
) -> None:
    ours, theirs = imported(make_store("m"), small_export()), imported(make_store("m"), small_export())
    for store, name in ((ours, b"1@alpha"), (theirs, b"2@beta")):
        body = serialize_message([("I", name), ("M", words)], 4)
        store.write(lambda writer, body=body: writer.put(Record(collection, "alpha:2", 1, "", 1, body=body)))
    if is_paired:
        ours.write(lambda writer: add_pairs(writer, "citadel:alpha", [Pair("floors", 3, "beta:1")]))
    assert Comparing(ours, theirs, "alpha").compare().undeclared == undeclared
    other = serialize_message([("I", b"3@beta"), ("M", words.replace(b"x@", b"y@").replace(b"like", b"love"))], 4)
    theirs.write(lambda writer: writer.put(Record(collection, "alpha:2", 2, "", 2, body=other)))
    assert Comparing(ours, theirs, "alpha").compare().undeclared == 1


def test_inbox_rules_that_are_at_home_on_another_server_may_differ(make_store: Make) -> None:
    def rules(writer: Writer) -> None:
        writer.put(Record("inbox-rules", "alpha:2", 1, "", 1, body=text(RULE)))

    assert told(compared(make_store, rules)) == [("inbox-rules", "alpha:2", "(the record)")]
    found = compared(make_store, lambda w: (rules(w), settle(w, "users", "alpha:2", "citadel:beta")))
    assert found.equal and found.declared == {RULES_AT_HOME: 1}


def test_a_visit_that_says_nothing_is_as_none(make_store: Make) -> None:
    def visit(writer: Writer) -> None:
        writer.set_fields(MARKS, "alpha:1", {"v_usernum": "1", "v_seen": "*:0", "v_flags": "0"})

    assert compared(make_store, visit).equal


def test_what_an_export_alone_tells_is_declared_where_a_server_is_followed_without(make_store: Make) -> None:
    def invite(writer: Writer) -> None:
        writer.set_fields(MARKS, "alpha:9", {"v_flags": "4"})
        writer.set_fields("rooms", "alpha:1", {"QRgen": "7"})

    data = small_export(seen="10")
    ours = imported(make_store("m"), data)
    ours.write(invite)
    assert len(declared_for(ours, "alpha", exports=False)) == len(VERIFIED), "nobody follows it"
    ours.write(lambda writer: claim(writer, "citadel:alpha", "m", "alpha", "citadel:///x"))
    for exports, undeclared in ((False, 0), (True, 2)):
        found = Comparing(
            ours, imported(make_store("m"), data), "alpha", declared_for(ours, "alpha", exports=exports)
        ).compare()
        assert (found.undeclared, sum(found.declared.values())) == (undeclared, 2 - undeclared)
