"""Of rooms' network configurations what does not act is everywhere, and what acts does so on one server alone."""

import re
import time
from collections.abc import Iterator

import pytest
from made_follower import LOBBY, Follower, at_rest, feed_end, post, say_so, texts, there
from made_writable import WritableServer, written_into

from mirror.citadel.looks.remembered import remember, remembered
from mirror.citadel.meaning.homes import HOMES, Home, give_up, read_home, settle
from mirror.citadel.meaning.keys import PAIRS
from mirror.citadel.writers.later import TRIES
from mirror.model.record import Record, pack_head
from mirror.model.stamp import make_stamp
from mirror.store.base import Store
from mirror.sync.share.rules import NETCONF_KEY, PROPOSED

NETCONF, PLACE, ELSEWHERE = "netconf/alpha:1", "citadel:alpha", "citadel:beta"
PLAIN = "Content-type: text/plain\n\n"
LIST, ALIAS = "listrecp|x@example.net", "roommailalias|lobby@example.net"


@pytest.fixture
def server() -> Iterator[WritableServer]:
    server = WritableServer()
    server.room(1, "Lobby")
    server.room(2, "Talk")
    server.post(1, "old")
    with written_into(server):
        yield server


def hold(store: Store, *lines: str) -> None:
    """Have lines of the Lobby be here as another server said them."""
    body, head = "".join(f"{line}\n" for line in lines).encode(), pack_head({PROPOSED: True})
    store.write(lambda writer: writer.put(Record(NETCONF, NETCONF_KEY, 1, "b", 1, head=head, body=body)))


def held(store: Store) -> list[str]:
    body = store.read(lambda reader: reader.body(reader.get(NETCONF, NETCONF_KEY)))
    return body.decode().splitlines()


def home(store: Store) -> Home | None:
    return store.read(lambda reader: read_home(reader, "rooms", "alpha:1"))


def now() -> bytes:
    return b"%d" % (time.time() + 5)


def test_lines_that_do_not_act_are_written_and_those_that_act_are_not(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    server.netconfigs[1] = ["unknown|here"]

    def story():
        yield
        hold(store, "lastsent|9", LIST, "PARTICIPATE|y@example.net", "rssclient|http://x/", "unknown|there", ALIAS)
        yield
        assert server.netconfigs[1] == ["unknown|here", ALIAS]
        end = feed_end(store)
        for _ in range(3):
            server.now += 10
            yield
        assert (feed_end(store), follower.state.written_there, follower.state.left_there) == (end, 1, [])
        assert LIST in held(store) and home(store) is None
        server.netconfigs[1] = ["roommailalias|changed@example.net"]  # by somebody there
        server.now += 10
        yield
        assert held(store)[0] == "roommailalias|changed@example.net" and LIST in held(store)

    follower.tell(story())


def test_a_server_whose_list_it_is_becomes_its_home_and_mails_what_is_posted_elsewhere_once(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    server.netconfigs[1] = [f"lastsent|{server.highest}", LIST]

    def story():
        yield
        post(store, LOBBY, "before@beta", PLAIN + "before\n")
        yield
        assert (home(store) or Home("")).place == PLACE
        assert ([name for name, _ in there(server, 1)][1:], server.sweep()) == (["before@beta"], [])
        post(store, LOBBY, "since@beta", PLAIN + "since\n", T=now())
        post(store, LOBBY, "late@beta", PLAIN + "late\n")
        yield
        assert [name for name, _ in there(server, 1)][2:] == ["late@beta", "since@beta"]
        assert (server.sweep(), server.sweep()) == (["since"], [])
        end = feed_end(store)
        server.now += 10
        yield
        assert (feed_end(store), held(store)) == (end, [LIST])

    follower.tell(story())


def test_what_a_list_has_yet_to_mail_is_mailed_before_anything_is_put_there_that_is_not_to_be(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    server.netconfigs[1] = [f"lastsent|{server.highest}", LIST]
    server.post(1, "posted there")

    def story():
        yield
        post(store, LOBBY, "late@beta", PLAIN + "late\n")
        for _ in range(TRIES + 1):
            yield
        assert len(server.lists[1]) == 2
        assert follower.state.left_there == ["Lobby: id:late@beta: its list has yet to mail what was posted there"]
        assert server.sweep() == ["posted there"]
        for _ in range(80):
            yield
        assert (len(server.lists[1]), server.sweep(), follower.state.left_there) == (3, [], [])

    follower.tell(story())


def test_participants_are_mailed_nothing_so_what_comes_late_waits_for_nothing(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    server.netconfigs[1] = ["participate|x@example.net"]

    def story():
        yield
        post(store, LOBBY, "late@beta", PLAIN + "late\n")
        yield
        yield
        assert [name for name, _ in there(server, 1)][1:] == ["late@beta"]
        assert (server.sweep(), follower.state.left_there) == ([], [])

    follower.tell(story())


def test_what_participants_take_part_in_is_given_up_though_nothing_was_mailed(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    server.netconfigs[1] = ["participate|x@example.net"]

    def story():
        hold(store, "participate|x@example.net")
        store.write(lambda writer: settle(writer, "rooms", "alpha:1", ELSEWHERE, PLACE))
        yield
        yield
        assert not any(server.netconfigs[1])
        assert (home(store).given_up, follower.state.left_there) == (True, [])

    follower.tell(story())


def test_a_list_that_is_moved_to_where_participants_are_mails_nothing_of_before(
    server: WritableServer, follower: Follower
) -> None:
    store, participant = follower.store, "participate|x@example.net"
    server.netconfigs[1] = [participant]

    def story():
        hold(store, LIST, participant)
        store.write(lambda writer: settle(writer, "rooms", "alpha:1", ELSEWHERE))
        yield
        say_so(store, PLACE, lost=True)
        yield
        assert server.netconfigs[1] == [f"lastsent|{server.highest}", LIST, participant] and server.sweep() == []

    follower.tell(story())


def test_what_a_list_passed_while_a_post_was_on_its_way_is_mailed_all_the_same(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    server.netconfigs[1] = [f"lastsent|{server.highest}", LIST]
    mailed: list[str] = []

    def posted_meanwhile(command: bytes) -> None:
        if command == b"GNET" and server.appended == 1:
            server.before = lambda _command: None
            server.post(1, "posted meanwhile")
            mailed.extend(server.sweep())

    def story():
        yield
        yield
        server.before = posted_meanwhile
        post(store, LOBBY, "since@beta", PLAIN + "since\n", T=now())
        for _ in range(3):
            yield
        assert sorted(mailed + server.sweep()) == ["posted meanwhile", "since"]

    follower.tell(story())


@pytest.mark.parametrize("why", ["paired since", "restored since", "its own", ""])
def test_what_was_mailed_or_came_of_another_time_is_not_mailed(
    server: WritableServer, follower: Follower, why: str
) -> None:
    store = follower.store
    server.netconfigs[1] = [f"lastsent|{server.highest}", LIST]
    head = pack_head({"place": PLACE, "last": "", "given_up": True})
    an_hour_ago = make_stamp(int(time.time() - 3600) * 1000)
    store.write(lambda writer: writer.apply([Record(HOMES, "rooms alpha:1", an_hour_ago, "b", 1, head=head)]))

    def story():
        yield
        later = 1 << 60
        if why == "paired since":
            store.write(lambda writer: writer.put(Record(PAIRS, ELSEWHERE, 1, "m", 1, head=pack_head({"pairs": 1}))))
        if why == "restored since":
            last = store.read(lambda reader: remembered(reader, PLACE))
            last.anew_ms = later
            store.write(lambda writer: remember(writer, PLACE, last))
        yield
        time_of_it = str(int(time.time()) - 10).encode()
        origin = PLACE if why == "its own" else ELSEWHERE
        body = b"\xffA\x04Ia@beta\0T%s\0ABob\0Fbob@beta\0M%sposted\n\0" % (time_of_it, PLAIN.encode())
        record = Record(LOBBY, "id:a@beta", 1 << 20, origin, 1, body=body)
        store.write(lambda writer: writer.apply([record]))
        yield
        assert (len(server.lists[1]), server.sweep()) == (2, [] if why else ["posted"])

    follower.tell(story())


def test_where_the_home_is_another_server_the_same_lines_are_given_up_once_all_is_mailed(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    server.netconfigs[1] = [f"lastsent|{server.highest}", LIST, ALIAS, "rssclient|http://own.example.net/"]
    server.post(1, "posted there")

    def story():
        hold(store, LIST, ALIAS)
        store.write(lambda writer: settle(writer, "rooms", "alpha:1", ELSEWHERE, PLACE))
        yield
        yield
        assert LIST in server.netconfigs[1]
        assert server.sweep() == ["posted there"]
        for _ in range(80):
            yield
        assert server.netconfigs[1][1:] == [ALIAS, "rssclient|http://own.example.net/"]
        assert not home(store).given_up  # a feed of its own is in force there
        assert [line.rpartition(": ")[2] for line in follower.state.left_there] == [
            "rssclient|http://own.example.net/ is in force there, too, besides its home"
        ]
        server.netconfigs[1] = server.netconfigs[1][:2]
        server.now += 10
        for _ in range(80):
            yield
        assert home(store).given_up and sorted(held(store)) == [LIST, ALIAS]
        post(store, LOBBY, "a@beta", PLAIN + "a\n", T=now())
        yield
        assert (texts(store)[-1], server.sweep()) == ("posted there", [])

    follower.tell(story())


def test_a_feed_and_a_mailbox_are_given_up_at_once_whatever_was_posted(
    server: WritableServer, follower: Follower
) -> None:
    store, lines = follower.store, ["rssclient|http://x/", "pop3client|h|u|p|0|60"]
    server.netconfigs[1] = [*lines, ALIAS]
    server.post(1, "posted there")

    def story():
        hold(store, *lines, ALIAS)
        store.write(lambda writer: settle(writer, "rooms", "alpha:1", ELSEWHERE, PLACE))
        yield
        assert (server.netconfigs[1], home(store).given_up, follower.state.left_there) == ([ALIAS], True, [])
        server.now += 10
        yield
        assert sorted(held(store)) == sorted([*lines, ALIAS])

    follower.tell(story())


def test_a_mailbox_is_put_in_force_just_as_it_was_with_its_password(server: WritableServer, follower: Follower) -> None:
    store, line = follower.store, "pop3client|h|u|p|0|60"

    def story():
        hold(store, line)
        store.write(lambda writer: settle(writer, "rooms", "alpha:1", ELSEWHERE))
        yield
        say_so(store, PLACE, lost=False)
        yield
        assert not any(server.netconfigs.get(1, []))
        store.write(lambda writer: give_up(writer, "rooms", "alpha:1", ELSEWHERE))
        yield
        assert server.netconfigs[1] == [line]
        yield from at_rest(server, store)

    follower.tell(story())


def test_a_list_whose_lines_were_confirmed_here_is_at_home_on_the_server_that_has_them(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    server.netconfigs[1] = [f"lastsent|{server.highest}", LIST]
    body = f"{LIST}\n".encode()
    store.write(lambda writer: writer.put(Record(NETCONF, NETCONF_KEY, 1, "m", 1, body=body)))

    def story():
        yield
        post(store, LOBBY, "since@beta", PLAIN + "since\n", T=now())
        yield
        assert (home(store).place, server.sweep(), held(store)) == (PLACE, ["since"], [LIST])

    follower.tell(story())


def test_what_a_record_says_puts_nothing_in_force(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    def story():
        hold(store, LIST, "pop3client|h|u|p|0|60")
        store.write(lambda writer: settle(writer, "rooms", "alpha:1", PLACE))
        for _ in range(5):
            yield
        assert server.netconfigs.get(1, []) == [] and not server.sweep()

    follower.tell(story())


def test_a_list_that_is_moved_mails_what_is_posted_since_and_nothing_before_once_it_was_given_up(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store

    def story():
        hold(store, LIST, "rssclient|http://x/")
        store.write(lambda writer: settle(writer, "rooms", "alpha:1", ELSEWHERE))
        yield
        say_so(store, PLACE, lost=False)
        yield
        assert (server.netconfigs.get(1, []), home(store).place, held(store)[0]) == ([], PLACE, LIST)
        assert "in force on citadel:beta, which has yet to give them up" in follower.state.left_there[0]
        store.write(lambda writer: give_up(writer, "rooms", "alpha:1", ELSEWHERE))
        highest = server.post(1, "posted since")
        server.messages[highest] = re.sub(rb"T\d+", b"T" + now(), server.messages[highest], count=1)
        yield
        assert server.netconfigs[1] == [f"lastsent|{highest - 1}", LIST, "rssclient|http://x/"]
        assert (server.sweep(), follower.state.left_there) == (["posted since"], [])
        yield from at_rest(server, store)
        assert held(store) == [LIST, "rssclient|http://x/"]

    follower.tell(story())


def test_where_the_other_server_is_lost_nobody_waits_for_it(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    def story():
        hold(store, LIST)
        store.write(lambda writer: settle(writer, "rooms", "alpha:1", ELSEWHERE))
        yield
        say_so(store, PLACE, lost=True)
        yield
        assert (server.netconfigs[1], server.sweep()) == ([f"lastsent|{server.highest}", LIST], [])
        assert not home(store).given_up

    follower.tell(story())


def test_just_what_was_told_is_put_in_force(server: WritableServer, follower: Follower) -> None:
    store = follower.store

    def story():
        hold(store, LIST)
        store.write(lambda writer: settle(writer, "rooms", "alpha:1", ELSEWHERE))
        yield
        say_so(store, PLACE, lost=False)
        hold(store, LIST, "listrecp|another@example.net")  # by whoever writes records
        store.write(lambda writer: give_up(writer, "rooms", "alpha:1", ELSEWHERE))
        for _ in range(3):
            yield
        assert server.netconfigs[1][1:] == [LIST]

    follower.tell(story())


def test_lines_that_were_changed_there_just_before_are_looked_at_first(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    server.netconfigs[1] = [ALIAS]
    theirs = ["roommailalias|theirs@example.net"]

    def change() -> None:
        server.netconfigs[1] = theirs

    def story():
        yield
        hold(store, "roommailalias|ours@example.net")
        server.once_before(b"GNET", change)
        yield
        assert server.netconfigs[1] == theirs
        server.now += 10
        for _ in range(3):
            yield
        assert held(store) == server.netconfigs[1] and len(store.read(lambda reader: reader.conflicts())) == 1

    follower.tell(story())


def test_a_list_that_is_dissolved_on_its_server_is_gone_here(server: WritableServer, follower: Follower) -> None:
    store = follower.store
    server.netconfigs[1] = [LIST, ALIAS]

    def story():
        yield
        yield
        assert held(store) == [LIST, ALIAS] and home(store).place == PLACE
        server.netconfigs[1] = [ALIAS]
        server.now += 10
        yield
        assert held(store) == [ALIAS]

    follower.tell(story())


def test_a_list_that_is_made_beside_the_home_stays_what_it_is_there_and_nowhere_else(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    store.write(lambda writer: settle(writer, "rooms", "alpha:1", ELSEWHERE))
    server.netconfigs[1] = [f"lastsent|{server.highest}", LIST, ALIAS]

    def story():
        yield
        post(store, LOBBY, "a@beta", PLAIN + "a\n", T=now())
        yield
        assert (held(store), server.netconfigs[1][1:]) == ([ALIAS], [LIST, ALIAS])
        assert sorted(line.rpartition(": ")[2] for line in follower.state.left_there) == [
            "it mails what is posted there",
            "listrecp|x@example.net is in force there, too, besides its home",
        ]

    follower.tell(story())


def test_lines_that_are_too_long_for_the_list_of_settings_are_not_taken_for_gone(
    server: WritableServer, follower: Follower
) -> None:
    store = follower.store
    server.netconfigs[1] = [ALIAS]

    def story():
        yield
        assert held(store) == [ALIAS]
        server.netconfigs[1] = [ALIAS, *(f"listrecp|member{number}@example.net" for number in range(50))]
        server.now += 10
        yield
        yield
        assert held(store) == server.netconfigs[1]
        end = feed_end(store)
        server.settings["c_humannode"] = "Another"
        server.now += 10
        yield
        assert held(store) == server.netconfigs[1] and feed_end(store) == end + 1

    follower.tell(story())


def test_homes_are_records_that_every_node_has(store: Store) -> None:
    store.write(lambda writer: settle(writer, "users", "alpha:2", PLACE, ELSEWHERE))
    assert HOMES in store.read(lambda reader: reader.digests())
    told = store.read(lambda reader: read_home(reader, "users", "alpha:2"))
    assert (told.place, told.last, told.given_up) == (PLACE, ELSEWHERE, False) and told.since > 1_600_000_000_000


@pytest.mark.parametrize("lines", [[LIST], ["ignet_push_share|bravo", "unknown|there"]])
@pytest.mark.parametrize("is_paired", [True, False])
def test_lines_that_a_server_is_not_given_stay_here_though_its_room_has_none(
    server: WritableServer, follower: Follower, lines: list[str], is_paired: bool
) -> None:
    store = follower.store
    if is_paired:
        hold(store, *lines)

    def story():
        yield
        hold(store, *lines)
        for _ in range(5):
            server.now += 400  # all is looked at again
            yield
        assert (held(store), server.netconfigs) == (lines, {})
        del server.rooms[1], server.lists[1]
        for _ in range(5):
            server.now += 400
            yield
        assert store.read(lambda reader: reader.get(NETCONF, NETCONF_KEY)).dead

    follower.tell(story())
