"""An account that a server damaged is told from one that was deleted: its user waits here, whatever else goes on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from exports import small_export
from made_followed import ANNS, a_server, with_configuration
from made_follower import TALK, ReadingFollower, state, texts
from made_live import LiveServer

from mirror.citadel.bootstrap import copy_server
from mirror.citadel.following.followed import Settings
from mirror.citadel.looked_over import verify_server
from mirror.citadel.looks.decided import HeldBack
from mirror.citadel.meaning.damaged import read_reply
from mirror.citadel.migr.importer import Importer
from mirror.citadel.migr.importing import import_blocks
from mirror.citadel.migr.report import Accepted
from mirror.store.base import Store
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
Story = Iterator[None]
ANN, BOB, BOX = "alpha:2", "alpha:3", "alpha:5"
GARBAGE = ("||0|0|0|0|0|0|0", "\x01\x02|x|0|0|0|4|2|5|0", "Ann|x|0|0|0|4|0|5|0", "Ann|x|0|0|0|97|2|5|0", "Ann")


@pytest.fixture
def server() -> LiveServer:
    """A server on which Ann has mail and a bio, is aide of a room, and read something."""
    server = with_configuration(a_server())
    server.room(5, "0000000002.Mail", QRflags="16390")
    server.post(5, "mail")
    server.users[2]["u_msgnum_bio"] = str(server.keep(ANNS, "I am Ann", "Profile submitted with EBIO command"))
    server.rooms[2]["QRroomaide"] = "2"
    server.user(3, "Bob")
    return server


def of_ann(store: Store) -> object:
    """Return all that is held of Ann."""
    held = state(store)
    bios, visits = held.get("bios", {}).get(ANN), held.get("visits/alpha:1", {})
    return held["users"].get(ANN), bios, visits, held["rooms"]["alpha:2"]


def held(following: object) -> list[HeldBack]:
    return following.state.held  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("reply", GARBAGE)
def test_what_is_no_account_is_known(reply: str) -> None:
    assert read_reply(b"200 " + reply.encode()) == (0, False, False)


def test_who_has_an_account_and_who_was_deleted_is_known() -> None:
    assert read_reply(b"200 Ann|x|0|0|0|4|2|5|0") == (2, True, False)
    assert read_reply(b"200 SYS_Citadel||0|0|0|6|0|5|0") == (0, True, False)
    assert read_reply(b"570 No such user.") == (0, False, True)
    assert read_reply(b"550 Higher access") == read_reply(b"") == (0, False, False)


@pytest.mark.parametrize("reply", GARBAGE)
@pytest.mark.parametrize("export_s", [0.0, 1.0], ids=["by questions", "by exports"])
def test_a_user_whose_account_is_damaged_waits_and_who_is_deleted_goes(
    make_store: Make, server: LiveServer, directory: Path, reply: str, export_s: float
) -> None:
    store = make_store("m")
    follower = ReadingFollower(store, directory, Settings(export_s=export_s))
    following = follower.following

    def story() -> Story:
        yield
        before = of_ann(store)
        assert all(before)  # type: ignore[call-overload]
        server.damage(2, reply)
        del server.users[3]
        for _ in range(3):
            follower.time += 400
            server.now += 400
            yield
            assert [(one.collection, one.gone) for one in held(following)] == [("users", 1)]
        assert "account there is damaged" in following.state.waiting[0]
        assert of_ann(store) == before
        assert BOB not in state(store)["users"]
        server.post(2, "all else goes on")
        server.touch(2)
        yield
        assert "all else goes on" in texts(store, TALK)

    follower.tell(story())


@pytest.mark.parametrize("verdict", ["approve", "refuse"])
def test_what_is_done_to_mend_it_is_no_deletion_and_somebody_says_what_becomes_of_the_user(
    make_store: Make, server: LiveServer, directory: Path, verdict: str
) -> None:
    """The administrator deletes what is left, and the mailbox goes in the night; after a restart of the node, too."""
    store = make_store("m")

    def damaged() -> Story:
        yield
        server.damage(2)
        yield

    def deleted() -> Story:
        server.damaged.clear()
        for room in (5, ANNS):
            del server.rooms[room]
        follower.time += 400
        yield
        yield
        assert {one.collection: one.gone for one in held(following)} == {"users": 1, "rooms": 1}
        assert texts(store, "messages/alpha:5") == ["mail"]
        getattr(following, verdict)()
        yield
        yield
        assert held(following) == []
        kept = verdict == "refuse"
        assert (ANN in state(store)["users"], BOX in state(store)["rooms"]) == (kept, kept)
        assert texts(store, "messages/alpha:5") == ["mail"] * kept
        assert (ANN in state(store).get("bios", {})) == kept

    for story in (damaged, deleted):
        follower = ReadingFollower(store, directory)
        following = follower.following
        follower.tell(story())


def test_an_account_that_comes_back_waits_no_longer_and_is_deleted_as_any_other(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    follower = ReadingFollower(store, directory)

    def story() -> Story:
        yield
        account = server.users[2]
        server.damage(2)
        yield
        assert len(held(follower.following)) == 1
        server.damaged.clear()
        server.users[2] = account
        yield
        assert held(follower.following) == [] and ANN in state(store)["users"]
        del server.users[2]
        yield
        assert held(follower.following) == [] and ANN not in state(store)["users"]

    follower.tell(story())


@pytest.mark.parametrize(("was", "now"), [("fullname>Ann<", "fullname><"), ("axlevel>4<", "axlevel>97<")])
def test_nothing_is_taken_over_of_a_damaged_account_in_an_export(make_store: Make, was: str, now: str) -> None:
    """What is here stays; it is named, and what else is in the export comes."""
    store = make_store("m")
    Importer(store, "x").run([small_export()])
    user = store.read(lambda reader: reader.get("users", ANN))
    damaged = small_export().replace(was.encode(), now.encode())
    assert damaged != small_export()
    report = Importer(store, "x").run([damaged])
    assert any("the account of user 2 is damaged" in line for line in report.notices)
    assert store.read(lambda reader: reader.get("users", ANN)) == user
    first = make_store("n")
    report = Importer(first, "x").run([damaged])
    assert any("the account of user 2 is damaged" in line for line in report.notices)
    assert first.read(lambda reader: reader.get("users", ANN)) is None
    assert len(state(first)["messages/alpha:1"]) == 2


def imported(store: Store, server: LiveServer, deletions: bool = False) -> list[str]:
    """Import what a server exports, as from a file; returns the words of who waits."""
    report = import_blocks(store, "file", [server.export()], accepted=Accepted(deletions=deletions))
    return [one.what for one in report.gone if one.held and one.collection == "users"]


def test_of_a_file_that_does_not_tell_a_user_nobody_can_be_asked_so_the_user_waits_until_somebody_accepts_it(
    make_store: Make, server: LiveServer
) -> None:
    store = make_store("m")
    assert imported(store, server) == []
    before = of_ann(store)
    server.damage(2)
    for _ in range(2):
        (told,) = imported(store, server)
        assert "a file cannot be asked" in told
        assert of_ann(store) == before and texts(store, "messages/alpha:5") == ["mail"]
    imported(store, server, deletions=True)
    held = state(store)
    assert ANN not in held["users"] and BOX in held["rooms"] and ANN not in held.get("visits/alpha:1", {})


def test_in_a_file_whose_name_is_another_users_was_deleted(make_store: Make, server: LiveServer) -> None:
    store = make_store("m")
    imported(store, server)
    del server.users[3]
    server.user(7, "Bob")
    assert imported(store, server) == []
    assert {"alpha:7"} <= state(store)["users"].keys() and BOB not in state(store)["users"]


def test_a_copy_asks_by_name_who_is_not_told_and_takes_nobody_for_deleted_whose_account_is_damaged(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    store = make_store("m")
    copy_server(store, directory)
    before = of_ann(store)
    server.damage(2)
    del server.users[3]
    for _ in range(2):
        taken = copy_server(store, directory)
        assert ("users", 1) in [(one.collection, one.gone) for one in taken.report.held]
        assert BOX in state(store)["rooms"] and "--accept-deletions deletes the user" in next(
            one.what for one in taken.gone if one.held
        )
        assert of_ann(store) == before and BOB not in state(store)["users"]
        server.damaged.clear()  # somebody deletes what is left of it, and the mailbox goes: that is no deletion either
        server.rooms.pop(5, None)
    copy_server(store, directory, accepted=Accepted(deletions=True))
    assert ANN not in state(store)["users"] and BOX not in state(store)["rooms"]


def test_who_is_listed_and_not_exported_waits_too(make_store: Make, server: LiveServer, directory: Path) -> None:
    store = make_store("m")
    copy_server(store, directory)
    server.once_before(b"MIGR export", lambda: server.damage(2))
    assert [one.collection for one in copy_server(store, directory).report.held] == ["users"]
    assert ANN in state(store)["users"]


def test_a_comparison_names_damaged_accounts_and_what_they_read_is_no_difference(
    make_store: Make, server: LiveServer, directory: Path, tmp_path: Path
) -> None:
    store = make_store("m")
    copy_server(store, directory)
    server.damage(2)
    found = verify_server(store, tmp_path, directory, node="m")
    assert found.unseen == ["user Ann: the account there is damaged, which nobody deleted"]
    assert {one.collection for one in found.differences} == {"users", "bios", "user-settings"}
