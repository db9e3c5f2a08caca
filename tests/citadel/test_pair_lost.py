"""What one of two made-up servers throws away by itself is gone from both, and what it lost is not."""

from collections.abc import Callable

from made_followed import backup, restore
from made_pair import Pair, Side

from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]


def test_what_one_server_throws_away_by_its_age_is_gone_from_both(pair: Pair) -> None:
    alpha, beta = pair
    alpha.server.rooms[2] |= {"QRexpire_mode": "2", "QRexpire_value": "3"}
    for number in range(5):
        alpha.server.post(2, f"post {number}", name=f"{number}@alpha")
    pair.settle()
    assert beta.server.rooms[2]["QRexpire_value"] == "3"
    for number in alpha.server.lists[2][:2]:
        alpha.server.delete(2, number)
    pair.settle()
    assert [name for name, _ in beta.texts(2)] == ["2@alpha", "3@alpha", "4@alpha"]


def begin_purge(pair: Pair) -> None:
    """Have both servers be in alpha's purge hour, in which it throws away who did not call for long."""
    for side in pair:
        side.server.now = (side.server.now // 86_400 + 100) * 86_400 + 3 * 3600 + 60
        side.server.settings.update(c_purge_hour="3" if side is pair.alpha else "5", c_userpurge="60")
    pair.settle()


def call(side: Side, user: str) -> str:
    """Have a user have logged in just now; returns when, as the server says it."""
    side.server.users[side.user(user)]["u_lastcall"] = moment = str(side.server.now - 60)
    return moment


def test_who_called_on_one_server_did_so_on_the_other_which_throws_nobody_away_then(pair: Pair) -> None:
    alpha, beta = pair
    begin_purge(pair)
    moment = call(beta, "Ann")
    pair.settle()
    assert alpha.server.users[alpha.user("Ann")]["u_lastcall"] == moment


def test_who_called_on_one_just_when_the_other_threw_the_account_away_is_in_the_conflict_log(pair: Pair) -> None:
    alpha, beta = pair
    begin_purge(pair)
    call(beta, "Ann")
    del alpha.server.users[alpha.user("Ann")]
    pair.settle()
    assert [sorted(side.said()["users"]) for side in pair] == [["SYS_Citadel", "admin"]] * 2
    assert "users" in {one.collection for one in pair.losers()}


def restart_from(side: Side, held: dict[str, object]) -> None:
    """Have a server go on from a backup."""
    side.stop()
    restore(side.server, held)
    side.start()


def test_a_server_restored_from_last_night_has_what_came_and_lacks_what_was_deleted_since(pair: Pair) -> None:
    alpha, beta = pair
    for number in range(3):
        alpha.server.post(1, f"post {number}", name=f"{number}@alpha")
    alpha.server.user(30, "Bob", u_password="bobs")
    alpha.server.room(40, "Doomed")
    pair.settle()
    last_night = backup(beta.server)
    alpha.server.post(1, "late", name="late@alpha")
    alpha.server.delete(1, alpha.server.lists[1][0])
    alpha.server.users[2]["u_password"] = "new"
    del alpha.server.users[30], alpha.server.rooms[40], alpha.server.lists[40]
    beta.server.post(1, "late, too", name="late@beta")
    pair.settle()
    expected = alpha.said()
    restart_from(beta, last_night)
    pair.settle()
    assert beta.following.state.another
    assert alpha.said() == expected
    assert [name for name, _ in beta.texts(1)] == ["1@alpha", "2@alpha", "late@alpha", "late@beta"]


def test_very_many_deletions_at_a_restored_server_wait_until_they_are_approved(pair: Pair) -> None:
    alpha, beta = pair
    for number in range(20):
        alpha.server.post(1, f"post {number}", name=f"{number:02}@alpha")
    pair.settle()
    last_night = backup(beta.server)
    for some in (8, 7):  # few enough each time
        for number in alpha.server.lists[1][:some]:
            alpha.server.delete(1, number)
        alpha.server.post(1, "one more", name=f"more-{some}@alpha")
        pair.settle()
    restart_from(beta, last_night)
    pair.rest()
    assert (len(beta.server.lists[1]), beta.following.state.held_there) == (22, {"messages/alpha:1": 15})
    beta.following.approve()
    pair.settle()
    assert len(beta.texts(1)) == 7
