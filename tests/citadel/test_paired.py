"""Two servers in one store, of which the second one is paired: what is one is here once, and stays so."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
from made_follower import ReadingFollower, feed_end
from made_live import LiveServer
from made_server import Server

from mirror.addresses import Address
from mirror.citadel.following.followed import Settings
from mirror.citadel.following.identity import pair_anew
from mirror.citadel.looks.remembered import Identity, place_of
from mirror.citadel.meaning.keys import Pair, add_pairs, read_keys, write_pairs
from mirror.citadel.meaning.pairing import Consent
from mirror.citadel.migr.importer import Importer
from mirror.citadel.migr.report import Report
from mirror.citadel.propose import CannotPair, list_here, require_socket
from mirror.citadel.rehearsal import dry_run
from mirror.formats.message import parse_message
from mirror.model.fields import values_of
from mirror.model.record import Record
from mirror.store.base import Store
from mirror.store.check import check_store
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
CONSENT = Settings(pair=Consent(["ann"], ["talk"]))


def take(store: Store, server: Server) -> Report:
    return Importer(store, "x").run([server.export()])


def texts(store: Store, collection: str) -> list[str]:
    def job(reader) -> list[str]:
        return sorted(parse_message(reader.body(one)).text("M").strip() for one in living(reader, collection))

    return store.read(job)


def living(reader, collection: str) -> list[Record]:
    return [one for one in reader.scan_all(collection) if not one.dead]


PAIRS = [
    Pair("users", 3, "alpha:2", 2), Pair("rooms", 1, "alpha:1"), Pair("rooms", 4, "alpha:2"), Pair("floors", 0, "0"),
]  # fmt: skip


def fill(server: Server, ann: int, talk: int) -> None:
    """Give a server an administrator, Ann and her mailbox, a Lobby and a room Talk."""
    server.user(1, "admin")
    server.user(ann, "Ann")
    server.room(1, "Lobby")
    server.room(talk, "Talk", QRroomaide=str(ann))
    server.room(talk + 10, f"{ann:010d}.Mail", QRflags="16390")


@pytest.fixture
def alpha() -> Server:
    server = Server()
    server.floors[0] = {"f_num": "0", "f_flags": "3", "f_name": "Ground Floor"}
    fill(server, 2, 2)
    server.post(1, "from alpha")
    server.visit(1, 2, "1", v_flags="1")
    return server


@pytest.fixture
def beta() -> LiveServer:
    server = LiveServer(settings={"c_nodename": "beta", "c_humannode": "Beta"}, highest=500)
    fill(server, 3, 4)
    server.room(20, "0000000003.Archive", QRflags="16390", QRfloor="1")
    server.room(21, "Own", QRroomaide="3", QRfloor="1")
    server.post(1, "from beta", name="b@beta")
    server.post(20, "old mail", name="old@beta")
    server.visit(1, 3, "501")
    server.now += 100
    return server


@pytest.fixture
def server(beta: LiveServer) -> LiveServer:
    """The server whose directory is followed."""
    return beta


@pytest.fixture
def store(make_store: Make, alpha: Server) -> Store:
    """A store that has alpha."""
    store = make_store("m")
    take(store, alpha)
    return store


def keys(store: Store, collection: str) -> list[str]:
    return store.read(lambda reader: [one.key for one in living(reader, collection)])


def fields(store: Store, collection: str, key: str) -> dict[str, object]:
    return dict(values_of(store.read(lambda reader: reader.get(collection, key))))


def pair(store: Store) -> None:
    store.write(lambda writer: write_pairs(writer, place_of("beta"), PAIRS))


def test_what_is_one_is_here_once_and_as_it_was(store: Store, alpha: Server, beta: LiveServer) -> None:
    was = {name: fields(store, *name) for name in (("users", "alpha:2"), ("rooms", "alpha:2"), ("floors", "0"))}
    pair(store)
    take(store, beta)
    assert keys(store, "users") == ["alpha:1", "alpha:2", "beta:1"]
    assert set(keys(store, "rooms")) == {"alpha:1", "alpha:2", "alpha:12", "alpha:beta.20", "beta:21"}
    assert {name: fields(store, *name) for name in was} == was
    assert texts(store, "messages/alpha:1") == ["from alpha", "from beta"]
    assert texts(store, "messages/alpha:beta.20") == ["old mail"]
    assert fields(store, "rooms", "alpha:beta.20")["QRname"] == "0000000002.Archive"
    assert fields(store, "rooms", "beta:21")["QRfloor"] == "beta:1"
    assert fields(store, "config", "c_humannode")["value"] == "Alpha"
    assert fields(store, "visits/alpha:1", "alpha:2 id:b@beta") == {"seen": True}
    assert fields(store, "visits/alpha:1", "alpha:2")["v_flags"] == "1"
    end = feed_end(store)
    assert take(store, beta).applied.written == take(store, alpha).applied.written == 0
    assert feed_end(store) == end
    assert check_store(store).problems == []


def test_what_changes_on_either_server_is_an_edit_of_the_one_thing(
    store: Store, alpha: Server, beta: LiveServer
) -> None:
    pair(store)
    take(store, beta)
    beta.rooms[4]["QRorder"] = "7"
    beta.users[3]["u_expire"] = "9"
    beta.rooms[20]["QRname"] = "0000000003.Older"
    beta.delete(1, 501)
    report = take(store, beta)
    assert fields(store, "rooms", "alpha:2")["QRorder"] == "7"
    assert fields(store, "users", "alpha:2")["u_expire"] == "9"
    assert fields(store, "rooms", "alpha:beta.20")["QRname"] == "0000000002.Older"
    assert texts(store, "messages/alpha:1") == ["from alpha"]
    assert report.applied.conflicts == 0
    alpha.users[2]["u_axlevel"] = "5"
    take(store, alpha)
    assert fields(store, "users", "alpha:2")["u_axlevel"] == "5"
    assert take(store, beta).applied.written == take(store, alpha).applied.written == 0


def test_a_floor_whose_number_is_another_ones_from_now_on_is_not_deleted(store: Store, alpha: Server) -> None:
    alpha.floors[3] = {"f_num": "3", "f_flags": "1", "f_name": "Attic"}
    take(store, alpha)
    store.write(lambda writer: add_pairs(writer, place_of("alpha"), [Pair("floors", 3, "beta:1")]))
    take(store, alpha)
    assert fields(store, "floors", "3")["f_name"] == fields(store, "floors", "beta:1")["f_name"] == "Attic"


def test_what_a_user_is_numbered_there_is_no_edit(store: Store, beta: LiveServer) -> None:
    pair(store)
    take(store, beta)
    beta.users[7] = beta.users.pop(3) | {"u_usernum": "7"}
    store.write(lambda writer: add_pairs(writer, place_of("beta"), [Pair("users", 7, "alpha:2", 2)]))
    take(store, beta)
    assert fields(store, "users", "alpha:2")["u_usernum"] == "2"


def test_a_server_stays_paired_once_what_it_said_is_forgotten(store: Store, beta: LiveServer) -> None:
    pair(store)
    take(store, beta)
    end = feed_end(store)
    pair_anew(store, "beta", Identity(str(beta.created), beta.highest), "restored", lambda: None)
    assert take(store, beta).applied.written == 0
    assert feed_end(store) == end


# -- followed -----------------------------------------------------------------------------------------


def test_nothing_comes_before_the_pairing_is_approved_and_then_all_does(
    store: Store, beta: LiveServer, directory: Path
) -> None:
    follower = ReadingFollower(store, directory, CONSENT)
    end = feed_end(store)

    def story():
        yield
        state = follower.following.state
        assert (state.phase, feed_end(store), beta.exported) == ("pairing", end, 0)
        assert state.pairing is not None
        assert [(one.there, one.pair.key) for one in state.pairing.matches] == [
            ("Ann", "alpha:2"), ("Lobby", "alpha:1"), ("Talk", "alpha:2"), ("0000000003.Mail", "alpha:12"),
        ]  # fmt: skip
        with pytest.raises(CannotPair, match="before 'attach approve'"):
            follower.following.pair(Pair("users", 3, "alpha:2"))
        yield
        follower.following.approve()
        yield
        assert (follower.following.state.phase, follower.following.state.pairing) == ("following", None)
        assert texts(store, "messages/alpha:1") == ["from alpha", "from beta"]
        number = beta.post(1, "later", name="later@beta")
        beta.post(14, "mail", name="mail@beta")
        yield
        assert texts(store, "messages/alpha:1") == ["from alpha", "from beta", "later"]
        assert texts(store, "messages/alpha:12") == ["mail"]
        beta.delete(1, number)
        yield
        assert texts(store, "messages/alpha:1") == ["from alpha", "from beta"]
        assert beta.exported == 1

    follower.tell(story())
    end = feed_end(store)
    again = ReadingFollower(store, directory, CONSENT)

    def quiet():
        for _ in range(3):
            yield
            assert again.following.state.phase == "following"

    again.tell(quiet())
    assert feed_end(store) == end
    assert "pairs" in store.read(lambda reader: reader.digests())


@pytest.mark.parametrize(("expiry", "left"), [("follow", 3), ("keep", 30)])
def test_what_a_paired_server_throws_away_by_its_own_sites_policy_is_no_deletion_of_anybodys(
    store: Store, beta: LiveServer, directory: Path, expiry: Literal["follow", "keep"], left: int
) -> None:
    pair(store)
    beta.settings |= {"c_ep_mode": "2", "c_ep_value": "3"}
    for number in range(30):
        beta.post(4, f"post {number}", name=f"{number}@beta")
    follower = ReadingFollower(store, directory, Settings(expiry=expiry))

    def story():
        yield
        assert len(keys(store, "messages/alpha:2")) == 30
        beta.lists[4] = beta.lists[4][-3:]
        beta.touch(4)
        beta.now += 10
        yield
        yield
        assert (len(keys(store, "messages/alpha:2")), follower.state.held) == (left, [])

    follower.tell(story())


def test_a_dry_run_tells_the_pairing_and_what_would_come_with_it(store: Store, directory: Path) -> None:
    end = feed_end(store)
    taken, pairing = dry_run(store, directory, pair=CONSENT.pair)
    assert pairing is not None
    assert len(pairing.pairs) == 4
    assert feed_end(store) == end
    assert not store.read(lambda reader: read_keys(reader, "citadel:beta", "beta").paired)
    unpaired, none = dry_run(store, directory)
    assert none is None
    assert taken.report.applied.written < unpaired.report.applied.written


def test_a_server_that_was_followed_unpaired_is_not_paired_afterwards(
    store: Store, beta: LiveServer, directory: Path
) -> None:
    take(store, beta)
    with pytest.raises(CannotPair, match="beta was followed before without being paired"):
        ReadingFollower(store, directory, CONSENT).following.run()
    assert not store.read(lambda reader: read_keys(reader, "citadel:beta", "beta").paired)


@pytest.mark.parametrize(("place", "user"), [(Address("h", 504), "admin"), (Path("/x"), "admin")])
def test_a_door_that_does_not_tell_whose_mailboxes_there_are_is_refused(place: Address | Path, user: str) -> None:
    with pytest.raises(CannotPair, match="citadel:///DIRECTORY"):
        require_socket(place, user)


def test_of_rooms_of_one_name_the_one_shown_plainly_is_first(make_store: Make) -> None:
    store = make_store("m")

    def job(writer) -> None:
        for key in ("b:1", "a:9"):
            writer.set_fields("rooms", key, {"QRname": "Lobby", "QRflags": "2"})

    store.write(job)
    assert [one.key for one in store.read(list_here).rooms] == ["b:1", "a:9"]
