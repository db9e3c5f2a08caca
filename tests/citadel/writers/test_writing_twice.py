"""What a server fetches that another one had fetched is there once: a feed's entries, a mailbox's mails."""

from collections.abc import Iterator

import pytest
from made_follower import LOBBY, Follower, at_rest, feed_end, here, there
from made_server import CREATED
from made_writable import SERVICE, WritableServer, imap

from mirror.citadel.looks.taking import keep_missing
from mirror.citadel.looks.twice import FETCHED_MS, note_twice, read_twice, twice
from mirror.citadel.meaning.homes import HOMES, settle
from mirror.formats.message import serialize_message
from mirror.model.drafting import deletion_of
from mirror.model.record import Record, pack_head
from mirror.model.stamp import make_stamp
from mirror.store.base import Store

PLACE, ELSEWHERE = "citadel:alpha", "citadel:beta"
OF_ALPHA, MORE_OF_ALPHA = "64BB5BAC-00000001@alpha", "64BB5BAC-00000002@alpha"
OF_BETA, MORE_OF_BETA = "64BB5BAD-00000001@beta", "64BB5BAD-00000002@beta"
"""Ids that servers made."""
FEED, MAILBOX = "rssclient|http://news.example.net/", "pop3client|mail.example.net|ann|secret|1|60"
TEXT = "Content-type: text/plain\n\nnews\n"
ENTRY = (
    "Content-type: text/html; charset=UTF-8\nContent-Transfer-Encoding: quoted-printable\n\n<html><head></head><body>"
)


@pytest.fixture
def server() -> Iterator[WritableServer]:
    server = WritableServer()
    server.user(1, "admin")
    server.user(SERVICE, "mirror")
    server.room(1, "Lobby")
    server.post(1, "old")
    server.netconfigs[1] = [FEED]
    server.now += 100
    with imap(server):
        yield server


def message(name: str, time_s: int = CREATED + 300, text: str = TEXT) -> bytes:
    """Return a message as a server made it."""
    fields = {"I": name, "T": str(time_s), "A": "Ann", "O": "Lobby", "U": "s", "M": text}
    return serialize_message([(letter, value.encode()) for letter, value in fields.items()], 4)


def put_elsewhere(store: Store, body: bytes, name: str, stamp: int = 1 << 20) -> None:
    """Have a message be here that another server fetched."""
    store.write(lambda writer: writer.apply([Record(LOBBY, f"id:{name}", stamp, ELSEWHERE, 1, body=body)]))


def fetch(server: WritableServer, body: bytes) -> int:
    """Have the server put into its room what it fetched; returns its number."""
    server.highest += 1
    server.messages[server.highest] = body
    server.lists[1].append(server.highest)
    server.touch(1)
    return server.highest


def ids(server: WritableServer) -> list[str]:
    """Return the ids of what the room has but for what was there first."""
    return [name for name, _ in there(server, 1)][1:]


def move_here(store: Store) -> None:
    store.write(lambda writer: settle(writer, "rooms", "alpha:1", PLACE))


def test_what_another_server_fetched_is_taken_out_again_and_taken_over_by_nobody(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        move_here(store)
        put_elsewhere(store, message(OF_BETA), OF_BETA)
        yield
        assert ids(server) == [OF_BETA]
        end = feed_end(store)
        fetch(server, message(OF_ALPHA))
        fetch(server, message(MORE_OF_ALPHA, text=f"{TEXT}more\n"))
        yield
        assert (ids(server), feed_end(store)) == ([OF_BETA, MORE_OF_ALPHA], end + 1)
        assert {f"id:{OF_BETA}", f"id:{MORE_OF_ALPHA}"} < {*here(store)} and f"id:{OF_ALPHA}" not in here(store)
        yield from at_rest(server, store)
        assert store.read(lambda reader: read_twice(reader, PLACE)) == []

    follower.tell(story())


def test_a_mail_that_another_server_collected_is_there_once(server: WritableServer, follower: Follower) -> None:
    store = follower.store
    server.netconfigs[1] = [MAILBOX]

    def story():
        move_here(store)
        put_elsewhere(store, message("mail@example.net"), "mail@example.net")
        yield
        assert ids(server) == ["mail@example.net"]
        kept = server.lists[1][-1]
        end = feed_end(store)
        fetch(server, message("mail@example.net"))
        yield
        yield
        assert (server.lists[1][1:], feed_end(store)) == ([kept], end)

    follower.tell(story())


@pytest.mark.parametrize("why", ["it fetches nothing", "it is not the home", "it was moved there long ago"])
def test_what_is_posted_twice_stays_where_nothing_was_moved_lately(
    server: WritableServer, follower: Follower, why: str
) -> None:
    store = follower.store
    server.netconfigs[1] = [] if why == "it fetches nothing" else [FEED]
    head = pack_head({"place": ELSEWHERE if why == "it is not the home" else PLACE, "last": "", "given_up": True})
    ago = FETCHED_MS + 60_000 if why == "it was moved there long ago" else 0
    stamp = make_stamp(store.clock.now_ms() - ago)
    store.write(lambda writer: writer.apply([Record(HOMES, "rooms alpha:1", stamp, "b", 1, head=head)]))

    def story():
        put_elsewhere(store, message(OF_BETA), OF_BETA)
        yield
        fetch(server, message(OF_ALPHA))
        yield
        yield
        assert ids(server) == [OF_BETA, OF_ALPHA]

    follower.tell(story())


def test_of_entries_without_a_time_those_of_another_server_are_the_same_and_its_own_are_not(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    first, again, later = (f"{CREATED + s:08X}-00000001@alpha" for s in (400, 500, 600))
    elsewhere = f"{CREATED + 450:08X}-00000001@beta"

    def story():
        move_here(store)
        fetch(server, message(first, CREATED + 400, ENTRY))
        yield
        fetch(server, message(again, CREATED + 500, ENTRY))
        yield
        assert ids(server) == [first, again]
        put_elsewhere(store, message(elsewhere, CREATED + 450, f"{ENTRY}more"), elsewhere)
        yield
        fetch(server, message(later, CREATED + 600, f"{ENTRY}more"))
        yield
        assert ids(server) == [first, again, elsewhere]

    follower.tell(story())


@pytest.mark.parametrize("fetched", ["just now", "long before"])
def test_what_a_lost_server_fetched_as_it_came_back_is_deleted_where_its_lines_are_now(
    server: WritableServer, follower: Follower, fetched: str
) -> None:
    store = follower.store
    stamp = make_stamp(store.clock.now_ms() - (0 if fetched == "just now" else FETCHED_MS + 60_000))

    def story():
        store.write(lambda writer: settle(writer, "rooms", "alpha:1", PLACE, ELSEWHERE))  # it has yet to give them up
        fetch(server, message(OF_ALPHA))
        yield
        put_elsewhere(store, message(OF_BETA), OF_BETA, stamp)
        put_elsewhere(store, message(MORE_OF_BETA, text=f"{TEXT}more\n"), MORE_OF_BETA, stamp)
        yield
        is_there = fetched == "long before"
        assert ids(server) == [OF_ALPHA, *([OF_BETA] if is_there else []), MORE_OF_BETA]
        assert store.read(lambda reader: reader.get(LOBBY, f"id:{OF_BETA}")).dead is not is_there
        assert not store.read(lambda reader: reader.get(LOBBY, f"id:{OF_ALPHA}")).dead
        yield from at_rest(server, store)

    follower.tell(story())


def test_what_the_server_has_already_is_not_deleted(server: WritableServer, follower: Follower) -> None:
    store, body = follower.store, message(OF_BETA)
    server.netconfigs[1] = []

    def again() -> None:
        store.write(lambda writer: writer.put(Record(LOBBY, f"id:{OF_BETA}", 1, "b", 1, body=body)))

    def story():
        move_here(store)
        again()
        fetch(server, message(OF_ALPHA))  # by somebody, while nothing is fetched
        yield
        assert {*ids(server)} == {OF_BETA, OF_ALPHA}
        server.netconfigs[1] = [FEED]
        server.now += 10
        yield
        end = feed_end(store)
        again()
        yield
        yield
        assert {*ids(server)} == {OF_BETA, OF_ALPHA} and feed_end(store) == end + 1

    follower.tell(story())


def test_what_is_another_message_by_now_is_not_taken_out(server: WritableServer, follower: Follower) -> None:
    store = follower.store
    old = server.lists[1][0]

    def story():
        yield
        put_elsewhere(store, message(OF_BETA), OF_BETA)
        store.write(lambda writer: note_twice(writer, PLACE, [twice(LOBBY, old, f"id:{OF_BETA}")]))
        yield
        assert (server.lists[1][0], ids(server)) == (old, [OF_BETA])
        assert store.read(lambda reader: read_twice(reader, PLACE)) == []

    follower.tell(story())


def test_a_mail_that_came_to_both_before_either_was_written_is_taken_over_as_one(
    server: WritableServer, follower: Follower
) -> None:
    store, body = follower.store, message("mail@example.net")
    server.netconfigs[1] = [MAILBOX]

    def story():
        move_here(store)
        yield
        put_elsewhere(store, body, "mail@example.net")
        number = fetch(server, body)
        yield
        yield
        assert server.lists[1][1:] == [number]
        told = store.read(lambda reader: reader.statuses_of(PLACE, LOBBY, ["id:mail@example.net"]))
        assert [one.foreign for one in told] == [str(number)]
        assert store.read(lambda reader: read_twice(reader, PLACE)) == []
        yield from at_rest(server, store)

    follower.tell(story())


def test_what_was_to_be_taken_out_of_a_room_that_is_no_more_is_forgotten(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        gone = twice("messages/alpha:9", 7, f"id:{OF_BETA}")
        store.write(lambda writer: note_twice(writer, PLACE, [gone]))
        yield
        yield
        assert store.read(lambda reader: read_twice(reader, PLACE)) == []

    follower.tell(story())


def test_what_is_put_anew_while_it_is_deleted_stays(server: WritableServer, follower: Follower) -> None:
    store, body = follower.store, message("mail@example.net")
    server.netconfigs[1] = [MAILBOX]

    def story():
        move_here(store)
        first = fetch(server, body)
        yield
        assert "id:mail@example.net" in here(store)
        server.lists[1].remove(first)
        again = fetch(server, body)
        yield
        yield
        assert server.lists[1][1:] == [again]
        assert "id:mail@example.net" in here(store)

    follower.tell(story())


def test_what_a_feed_says_twice_stays_though_a_lost_server_never_gave_it_up(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    head = pack_head({"place": PLACE, "last": ELSEWHERE, "given_up": False})
    stamp = make_stamp(store.clock.now_ms() - FETCHED_MS - 60_000)
    store.write(lambda writer: writer.apply([Record(HOMES, "rooms alpha:1", stamp, "b", 1, head=head)]))
    elsewhere, later = f"{CREATED + 450:08X}-00000001@beta", f"{CREATED + 600:08X}-00000001@alpha"

    def story():
        put_elsewhere(store, message(elsewhere, CREATED + 450, ENTRY), elsewhere)
        yield
        fetch(server, message(later, CREATED + 600, ENTRY))
        yield
        yield
        assert ids(server) == [elsewhere, later]

    follower.tell(story())


def test_what_is_not_taken_out_as_its_like_was_deleted_is_taken_over(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        yield
        put_elsewhere(store, message(OF_BETA), OF_BETA)
        move_here(store)
        fetch(server, message(OF_ALPHA))
        server.closed.add(1)
        yield
        store.write(lambda writer: writer.write(deletion_of(writer.get(LOBBY, f"id:{OF_BETA}"))))
        yield
        yield
        yield
        assert (ids(server), f"id:{OF_ALPHA}" in here(store)) == ([OF_ALPHA], True)

    follower.tell(story())


def test_two_mails_that_say_the_same_stay_where_they_came_with_ids_of_their_own(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    server.netconfigs[1] = [MAILBOX]

    def story():
        move_here(store)
        put_elsewhere(store, message("one@example.net"), "one@example.net")
        yield
        fetch(server, message("other@example.net"))
        yield
        yield
        assert ids(server) == ["one@example.net", "other@example.net"]

    follower.tell(story())


def test_what_waits_until_the_other_one_is_written_there_costs_the_server_nothing(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        move_here(store)
        put_elsewhere(store, message(OF_BETA), OF_BETA)
        yield
        told = store.read(lambda reader: reader.statuses_of(PLACE, LOBBY, [f"id:{OF_BETA}"]))
        server.lists[1].remove(int(told[0].foreign))  # thrown away there, and kept here
        store.write(lambda writer: keep_missing(writer, PLACE, told))
        fetch(server, message(OF_ALPHA))
        yield
        asked = len(server.asked)
        yield
        yield
        assert ids(server) == [OF_ALPHA]
        assert b"MSGS ALL" not in server.asked[asked:]

    follower.tell(story())
