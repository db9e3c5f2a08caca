"""What is gone from a followed server: deleted, held back while it is very much, thrown away by itself, or purged."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from made_followed import ANNS, a_server, backup, refuse_exports, restore
from made_follower import LOBBY, TALK, ReadingFollower, state, texts
from made_live import LiveServer

from mirror.citadel.following.followed import Settings
from mirror.citadel.looks.decided import HeldBack
from mirror.model.draft import Draft
from mirror.model.fields import fields_at
from mirror.model.record import pack_head
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
Story = Iterator[None]


@pytest.fixture
def server() -> LiveServer:
    return a_server()


def test_very_many_deletions_wait_until_they_are_approved_or_refused(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    for text in range(20):
        server.post(2, f"talk {text}")
    for verdict, left in (("approve", 0), ("refuse", 20)):
        store = make_store("m")
        follower = ReadingFollower(store, directory)
        following = follower.following

        def story(store=store, following=following, verdict=verdict, left=left) -> Story:
            listed, server.lists[2] = server.lists[2], []
            server.touch(2)
            yield
            assert following.state.held == [HeldBack(TALK, 20, 20)] and following.state.phase == "held"
            assert len(texts(store, TALK)) == 20
            getattr(following, verdict)()
            yield
            assert following.state.held == [] and following.state.phase == "following"
            assert len(texts(store, TALK)) == left
            server.lists[2] = listed
            server.touch(2)
            yield

        follower.tell(story())
        assert len(texts(store, TALK)) == 20


@pytest.mark.parametrize("policy", [{"QRexpire_mode": "2", "QRexpire_value": "5"}, {"QRfloor": "1"}])
@pytest.mark.parametrize("away", [False, True], ids=["by the room's list", "by the export"])
def test_what_the_server_throws_away_by_itself_is_followed_or_kept_and_never_held_back(
    make_store: Make, server: LiveServer, directory: Path, away: bool, policy: dict[str, str]
) -> None:
    """All but the newest five, by the room's policy or its floor's; what somebody deleted besides is deleted."""
    server.rooms[2].update(policy)
    server.floor(1, "Upstairs", f_ep_expire_mode="2", f_ep_expire_value="5")
    for text in range(30):
        server.post(2, f"talk {text}")
    full = backup(server)
    for expiry, left in (("follow", 4), ("keep", 29)):
        restore(server, full)
        store = make_store("m")
        follower = ReadingFollower(store, directory, Settings(expiry=expiry))

        def purge() -> None:
            server.lists[2] = server.lists[2][-5:]
            server.delete(2, server.lists[2][-1])
            server.post(2, "new")

        def story(away=away, purge=purge) -> Story:
            if not away:
                refuse_exports(server)
                purge()
                yield
            yield

        follower.let_exports_take(server, 10)
        follower.tell(story())
        server.before = lambda _command: None
        if away:
            purge()
            follower = ReadingFollower(store, directory, Settings(expiry=expiry))
            follower.tell(iter([None]))
        assert follower.following.state.held == []
        assert len(texts(store, TALK)) == left + 1
        assert "talk 29" not in texts(store, TALK) and "new" in texts(store, TALK)


def test_what_is_gone_since_it_was_decided_waits_for_itself(
    make_store: Make, server: LiveServer, directory: Path
) -> None:
    for text in range(20):
        server.post(1, f"lobby {text}")
        server.post(2, f"talk {text}")
    store = make_store("m")
    follower = ReadingFollower(store, directory)
    following = follower.following

    def story() -> Story:
        server.lists[2] = server.lists[2][:2]
        server.touch(2)
        yield
        assert following.state.held == [HeldBack(TALK, 18, 20)]
        assert len(following.state.waiting) == 18 and all("in room Talk" in line for line in following.state.waiting)
        following.approve()
        server.lists[1] = []
        server.touch(1)
        yield
        assert len(texts(store, TALK)) == 2
        assert following.state.held == [HeldBack(LOBBY, 23, 23)]
        assert len(texts(store)) == 23

    follower.tell(story())


@pytest.mark.parametrize("hour", ["3", "4"])
def test_what_a_purge_took_that_is_in_use_elsewhere_stays(
    make_store: Make, configured: LiveServer, directory: Path, hour: str
) -> None:
    """A user who called elsewhere, with mailbox and bio; a room that was written in elsewhere; in that hour alone."""
    server, store = configured, make_store("m")
    server.now = server.now // 86_400 * 86_400 + 3 * 3600 + 60
    server.settings.update(c_purge_hour=hour, c_userpurge="60", c_roompurge="60")
    server.room(5, "0000000002.Mail", QRflags="16390")
    server.post(5, "mail")
    server.users[2]["u_msgnum_bio"] = str(server.keep(ANNS, "I am Ann", "Profile submitted with EBIO command"))
    server.user(3, "Bob")

    def story() -> Story:
        yield
        user = store.read(lambda reader: reader.get("users", "alpha:2"))
        called = fields_at({"u_lastcall": str(server.now - 86_400)}, user.stamp + 1, "citadel:beta")
        store.write(lambda writer: writer.adopt(msgspec.structs.replace(user, head=called)))
        post = Draft(TALK, "id:elsewhere", head=pack_head({}), body=server.messages[server.lists[1][0]])
        store.write(lambda writer: writer.write(post))
        for room in (2, 5, ANNS):
            del server.rooms[room]
        for number in (2, 3):
            del server.users[number]
        server.now += 60
        yield
        yield
        in_time = hour == "3"
        assert state(store)["rooms"].keys() & {"alpha:2", "alpha:5"} == ({"alpha:2", "alpha:5"} if in_time else set())
        assert state(store)["users"].keys() & {"alpha:2", "alpha:3"} == ({"alpha:2"} if in_time else set())
        assert ("alpha:2" in state(store).get("bios", {})) == in_time
        assert texts(store, "messages/alpha:5") == (["mail"] if in_time else [])
        yield

    follower = ReadingFollower(store, directory)
    follower.tell(story())
    assert not follower.following.state.held
