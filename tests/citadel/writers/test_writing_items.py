"""Items from elsewhere are written into a made-up server under their ids, and what its users change is merged."""

from collections.abc import Iterator

import pytest
from made_follower import Follower, delete, feed_end, here
from made_live import HungUp
from made_writable import WritableServer, written_into

from mirror.citadel.following.identity import pair_anew
from mirror.citadel.looks.remembered import Identity
from mirror.citadel.meaning.keys import ROOMS, Pair, write_pairs
from mirror.formats.message import parse_message, serialize_message
from mirror.model.drafting import draft_over
from mirror.model.record import Record
from mirror.peer.channel import ConnectionLost
from mirror.store.base import Store

LOBBY, EVENTS, CARDS, NOTES, WIKI, BLOG, TRASH = (f"messages/alpha:{number}" for number in range(1, 8))
VIEWS = {2: 3, 3: 2, 4: 5, 5: 6, 6: 10, 7: 0}
PLACE = "citadel:alpha"


@pytest.fixture
def server() -> Iterator[WritableServer]:
    server = WritableServer()
    server.room(1, "Lobby")
    for number, view in VIEWS.items():
        server.room(number, f"Room {number}", QRdefaultview=str(view))
    with written_into(server):
        yield server


def event(summary: str = "Lunch", uid: str = "e1", **more: str) -> str:
    said = "".join(f"{name}:{value}\n" for name, value in {"SUMMARY": summary, **more}.items())
    inside = f"BEGIN:VEVENT\nUID:{uid}\nDTSTART:20260101T120000Z\n{said}END:VEVENT\n"
    return f"Content-type: text/calendar; charset=UTF-8\n\nBEGIN:VCALENDAR\nVERSION:2.0\n{inside}END:VCALENDAR\n"


def card(phone: str = "1", version: str = "3.0", note: str = "a note") -> str:
    said = f"VERSION:{version}\nUID:c1\nFN:Max\nTEL:{phone}\nNOTE:{note}\n"
    return f"Content-type: text/x-vcard\n\nBEGIN:VCARD\n{said}END:VCARD\n"


def put(store: Store, collection: str, uid: str, text: str, form: int = 4, **more: bytes) -> None:
    """Have an item be here as some node wrote it, over what is here."""
    fields = {"I": b"i@beta", "T": b"1690000500", "A": b"Bob", "F": b"bob@beta", "U": b"s", "E": uid.encode(), **more}
    body = serialize_message([*fields.items(), ("M", text.encode())], form)

    def job(writer) -> None:
        held = writer.get(collection, f"euid:{uid}")
        written = b"" if held is None or held.dead else writer.body(held)
        writer.write(draft_over(held, collection, f"euid:{uid}", body=body, held_body=written))

    store.write(job)


def text_here(store: Store, collection: str, uid: str) -> str:
    record = store.read(lambda reader: reader.get(collection, f"euid:{uid}"))
    return parse_message(store.read(lambda reader: reader.body(record))).text("M")


def items(server: WritableServer, room: int) -> dict[str, str]:
    """Return the texts of a room's items by their ids."""
    told = [parse_message(server.messages[number]) for number in server.lists[room]]
    assert len({one.text("E") for one in told}) == len(told)
    return {one.text("E"): one.text("M") for one in told}


def statuses(store: Store, collection: str) -> list[tuple[str, str]]:
    return [(one.foreign, one.key) for one in store.read(lambda reader: reader.scan_statuses(PLACE, collection))]


def test_items_are_there_under_their_ids_and_do_not_come_back(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    def story():
        yield
        put(store, EVENTS, "e1", event())
        put(store, CARDS, "c1", card())
        put(store, NOTES, "n1", "Content-type: text/vnote\n\nBEGIN:VNOTE\nUID:n1\nEND:VNOTE\n")
        put(store, NOTES, "n2", "plain text\n", 1)
        put(store, WIKI, "page", "Content-type: text/html\n\n<p>é|</p>\n", U=b"A | B", W=b"r@beta|q@beta")
        put(store, TRASH, "e2", event(uid="e2"))
        end = feed_end(store)
        yield
        assert [[*items(server, room)] for room in VIEWS] == [["e1"], ["c1"], ["n1", "n2"], ["page"], [], ["e2"]]
        assert items(server, 5)["page"] == "Content-type: text/html\n\n<p>é|</p>\n"
        assert items(server, 4)["n2"] == "plain text\n"
        told = parse_message(server.messages[server.lists[2][0]])
        assert [told.text(letter) for letter in "IAF"] == ["i@beta", "Bob", "bob@beta"]
        yield
        yield
        assert (feed_end(store), follower.state.written_there, follower.state.left_there) == (end, 6, [])
        assert statuses(store, EVENTS) == [(str(server.lists[2][0]), "euid:e1")]

    follower.tell(story())
    made = [number for number, room in server.rooms.items() if "in transit" in room["QRname"]]
    assert len(made) == 4
    assert not any(server.lists[number] for number in made)


def test_an_item_that_was_edited_here_takes_the_place_of_the_one_there(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    first = server.post(2, event(), euid="e1")

    def story():
        yield
        put(store, EVENTS, "e1", event("Dinner"))
        put(store, TRASH, "e2", event(uid="e2"))
        end = feed_end(store)
        yield
        assert "SUMMARY:Dinner" in items(server, 2)["e1"] and first not in server.lists[2]
        put(store, TRASH, "e2", event("Late", uid="e2"))
        yield
        assert "SUMMARY:Late" in items(server, 7)["e2"]
        yield
        assert feed_end(store) == end + 1
        assert statuses(store, EVENTS) == [(str(server.lists[2][0]), "euid:e1")]

    follower.tell(story())


def test_a_number_that_the_server_lists_for_an_id_and_does_not_have_holds_up_nothing(
    server: WritableServer, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a crash, which lost the message and not its place."""
    monkeypatch.setattr(server, "_euid", lambda *_: b"200 99\n")

    def story():
        yield
        put(follower.store, EVENTS, "e1", event())
        yield
        assert [*items(server, 2)] == ["e1"]
        assert not follower.state.behind_there

    follower.tell(story())


def test_edits_of_both_sides_are_merged_part_by_part(server: WritableServer, follower: Follower) -> None:
    store = follower.store
    server.post(2, event(), euid="e1")

    def story():
        yield
        put(store, EVENTS, "e1", event(LOCATION="Here"))
        server.post(2, event("Dinner"), euid="e1")
        yield
        yield
        for text in (text_here(store, EVENTS, "e1"), items(server, 2)["e1"]):
            assert "SUMMARY:Dinner" in text and "LOCATION:Here" in text
        end, number = feed_end(store), server.highest
        yield
        yield
        assert (feed_end(store), server.highest) == (end, number)

    follower.tell(story())


def test_what_came_there_just_before_is_looked_at_first(server: WritableServer, follower: Follower) -> None:
    store = follower.store
    server.post(2, event(), euid="e1")

    def story():
        yield
        put(store, EVENTS, "e1", event(LOCATION="Here"))
        server.once_before(b"EUID", lambda: server.post(2, event("Dinner"), euid="e1"))
        yield
        assert "LOCATION" not in items(server, 2)["e1"]
        yield
        assert "SUMMARY:Dinner" in items(server, 2)["e1"] and "LOCATION:Here" in items(server, 2)["e1"]
        assert store.read(lambda reader: reader.conflicts()) == []

    follower.tell(story())


def test_of_a_card_that_the_server_wrote_anew_just_what_its_users_change_is_an_edit(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        put(store, CARDS, "c1", card(note="a long\n  note"))
        yield
        assert "VERSION:2.1" in items(server, 3)["c1"] and "NOTE:a long note\n" in items(server, 3)["c1"]
        yield
        assert "VERSION:3.0" in text_here(store, CARDS, "c1")
        server.post(3, items(server, 3)["c1"].replace("TEL:1", "TEL:2"), euid="c1")
        highest = server.highest
        yield
        yield
        assert "VERSION:3.0" in text_here(store, CARDS, "c1") and "TEL:2" in text_here(store, CARDS, "c1")
        assert server.highest == highest

    follower.tell(story())


@pytest.mark.parametrize("at", [b"IMAP APPEND", b"EUID", b"MOVE", b"MSG0", b"MSG2"])
def test_an_item_is_written_once_however_it_was_interrupted(
    server: WritableServer, follower: Follower, at: bytes
) -> None:
    store = follower.store
    server.post(3, card("0"), euid="c1")

    def cut(command: bytes) -> None:
        if command.startswith(at):
            server.before = lambda _command: None
            raise HungUp

    def story():
        yield
        put(store, CARDS, "c1", card())
        server.before = cut
        yield

    follower.tell(story(), ConnectionLost)
    end = feed_end(store)

    def again():
        yield
        yield
        assert (feed_end(store), [*items(server, 3)]) == (end, ["c1"])
        assert "TEL:1" in items(server, 3)["c1"] and "VERSION:3.0" in text_here(store, CARDS, "c1")
        assert statuses(store, CARDS) == [(str(server.lists[3][0]), "euid:c1")]
        server.post(3, items(server, 3)["c1"].replace("TEL:1", "TEL:2"), euid="c1")
        yield
        yield
        assert "VERSION:3.0" in text_here(store, CARDS, "c1") and "TEL:2" in text_here(store, CARDS, "c1")

    follower.tell(again())


def test_what_was_deleted_here_is_deleted_there_though_it_was_edited_meanwhile(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    server.post(2, event(), euid="e1")

    def story():
        yield
        delete(store, EVENTS, "euid:e1")
        server.once_before(b"DELE", lambda: server.post(2, event("Dinner"), euid="e1"))
        yield
        yield
        yield
        assert (items(server, 2), here(store, EVENTS), statuses(store, EVENTS)) == ({}, [], [])
        assert len(store.read(lambda reader: reader.conflicts())) == 1

    follower.tell(story())


def test_an_item_that_was_moved_and_changed_is_there_so(server: WritableServer, follower: Follower) -> None:
    store = follower.store
    number = server.post(2, event(), euid="e1")
    server.post(2, event(uid="e2"), euid="e2")

    def story():
        yield
        for uid, text in (("e1", event()), ("e2", event("Late", uid="e2"))):
            delete(store, EVENTS, f"euid:{uid}")
            put(store, TRASH, uid, text)
        yield
        yield
        assert (items(server, 2), number in server.lists[7]) == ({}, True)
        assert "SUMMARY:Late" in items(server, 7)["e2"]
        assert len(statuses(store, TRASH)) == 2

    follower.tell(story())


def test_of_an_item_that_both_had_before_they_were_paired_nothing_is_lost(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    store.write(lambda writer: write_pairs(writer, PLACE, [Pair(ROOMS, 2, "beta:2")]))
    put(store, "messages/beta:2", "e1", event("Lunch", LOCATION="Here"))
    server.post(2, event("Brunch", DESCRIPTION="There"), euid="e1")

    def story():
        yield
        yield
        merged = text_here(store, "messages/beta:2", "e1")
        lost = store.read(lambda reader: reader.conflicts())
        assert all(said in merged or lost for said in ("SUMMARY:Brunch", "DESCRIPTION:There"))
        assert "LOCATION:Here" in merged and "LOCATION:Here" in items(server, 2)["e1"]
        assert len(lost) == 1
        highest = server.highest
        yield
        assert server.highest == highest

    follower.tell(story())


def test_of_a_restored_server_what_is_here_stands(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    def story():
        yield
        put(store, CARDS, "c1", card("1"))
        yield

    follower.tell(story())
    server.post(3, card("0", "2.1"), euid="c1")
    pair_anew(store, "alpha", Identity(str(server.created), server.highest), "restored", lambda: None)

    def again():
        yield
        yield
        assert "TEL:1" in items(server, 3)["c1"] and "TEL:1" in text_here(store, CARDS, "c1")
        assert store.read(lambda reader: reader.conflicts()) == []

    follower.tell(again())


def test_what_cannot_be_written_is_told(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    def story():
        yield
        put(store, WIKI, "a|b", "Content-type: text/html\n\nx\n")
        put(store, WIKI, "w" * 150, "Content-type: text/html\n\nx\n")
        put(store, WIKI, "end", "Content-type: text/html\n\n000\n")
        put(store, BLOG, "b1", "Content-type: text/html\n\nx\n")
        put(store, EVENTS, "other", event(uid="e1") + "000\n")
        yield
        yield
        assert [line.split(": ", 2)[2] for line in sorted(follower.state.left_there)] == [
            "its text has a line that ends it: 000",
            "its exclusive id is none that a server can be asked for: empty, with |, or over 200 bytes",
            "its text has a line that ends it: 000",
            "its exclusive id is over 120 bytes",
            "in a blog the server would give it another exclusive id, or lose its time and replies",
        ]
        assert not any(server.lists.values())

    follower.tell(story())


def test_a_record_that_is_no_item_of_a_room_that_is_not_there_is_none_of_it(follower: Follower) -> None:
    store = follower.store

    def story():
        yield
        store.write(lambda writer: writer.put(Record("messages/gamma:9", "euid:e1", 1, "m", 1, body=b"\xffA\x04Ee1\0")))
        yield
        assert follower.state.left_there == []

    follower.tell(story())
