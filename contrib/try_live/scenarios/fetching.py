"""Scenarios of what a server fetches by itself: the entries of a feed, and the mails of a mailbox elsewhere.

A server does that when it was just started, and then each quarter of an hour, or hour.
"""

from functools import partial
from socket import socket

from try_live.callers import caller
from try_live.feeds import Feed
from try_live.post_office import PostOffice
from try_live.scenarios.deeds import lines_in, make_room, move_lines, post, require_on_both, set_lines
from try_live.scenarios.stage import Stage
from try_live.scenarios.table import require_equal, scenario


@scenario("feed", "a feed is fetched by its room's home alone, and each of its entries is on both once")
def feed(stage: Stage) -> None:
    room = "Feed"
    make_room(stage.alpha, room)
    with Feed(partial(_who, stage)) as served:
        served.put("entry 1")
        served.put("entry 2", dated=False)
        set_lines(stage.alpha, room, f"rssclient|{served.url}")
        _have_fetched(stage, served.asked)
        post(stage.beta, room, "a post")
        served.put("entry 3")
        _have_fetched(stage, served.asked)
        require_on_both(stage, room, ["a post", *served.entries])
        require_equal(served.asked, [stage.alpha.name] * 2, "who fetched the feed")


@scenario("collected-mailbox", "a mailbox is collected by its room's home alone, and each of its mails is on both once")
def collected_mailbox(stage: Stage) -> None:
    room = "Collected"
    make_room(stage.alpha, room)
    with PostOffice(partial(_who, stage)) as office:
        office.put("mail 1")
        set_lines(stage.alpha, room, f"pop3client|{office.host}|ann|secret|1|60")
        _have_fetched(stage, office.asked)
        office.put("mail 2")
        _have_fetched(stage, office.asked)
        require_on_both(stage, room, ["mail 1", "mail 2"])
        require_equal(office.asked, [stage.alpha.name] * 2, "who collected the mailbox")


@scenario("feed-moved", "of a feed that is moved, and moved back, each entry is on both once")
def feed_moved(stage: Stage) -> None:
    room = "Moved feed"
    make_room(stage.alpha, room)
    with Feed(partial(_who, stage)) as served:
        served.put("entry 1")
        served.put("entry 2", dated=False)
        set_lines(stage.alpha, room, f"rssclient|{served.url}")
        _have_fetched(stage, served.asked)
        for number, home in enumerate((stage.beta, stage.alpha), 3):
            move_lines(stage, room, home)
            served.put(f"entry {number}", dated=number % 2 == 0)
            _have_fetched(stage, served.asked)
        require_on_both(stage, room, list(served.entries))
        require_equal(served.asked, ["alpha", "beta", "alpha"], "who fetched the feed")


@scenario("feed-lost", "of a feed whose server is lost and comes back each entry is on both once")
def feed_lost(stage: Stage) -> None:
    room = "Lost feed"
    alpha, beta = stage.sides
    make_room(alpha, room)
    with Feed(partial(_who, stage)) as served:
        served.put("entry 1")
        set_lines(alpha, room, f"rssclient|{served.url}")
        _have_fetched(stage, served.asked)
        alpha.node.stop()
        alpha.world.close()
        alpha.server.stop()
        beta.node.run("attach", "failover", beta.name, "--rooms", room, "--lost", "--yes")
        stage.until(lambda: bool(lines_in(beta, room)), f"{room} does not move to beta")
        served.put("entry 2")
        served.put("entry 3", dated=False)
        beta.restart()
        stage.until(lambda: len(served.asked) > 1, "beta fetches nothing")
        alpha.world.settle()  # it fetches what came meanwhile, too, before its node takes the lines out
        stage.until(lambda: len(served.asked) > 2, "alpha fetches nothing")
        alpha.node.start()
        stage.settle()
        require_on_both(stage, room, list(served.entries))
        require_equal((served.asked, lines_in(alpha, room)), (["alpha", "beta", "alpha"], []), "who fetched the feed")


@scenario("mailbox-moved", "of a mailbox whose collecting is moved, and moved back, each mail is on both once")
def mailbox_moved(stage: Stage) -> None:
    room = "Moved mailbox"
    make_room(stage.alpha, room)
    with PostOffice(partial(_who, stage)) as office:
        office.put("mail 1")
        set_lines(stage.alpha, room, f"pop3client|{office.host}|ann|secret|1|60")
        _have_fetched(stage, office.asked)
        for number, home in enumerate((stage.beta, stage.alpha), 2):
            move_lines(stage, room, home)
            office.put(f"mail {number}")
            _have_fetched(stage, office.asked)
        require_on_both(stage, room, ["mail 1", "mail 2", "mail 3"])
        require_equal(office.asked, ["alpha", "beta", "alpha"], "who collected the mailbox")


def _have_fetched(stage: Stage, asked: list[str]) -> None:
    """Restart both servers, and wait until what one fetched is on both."""
    before = len(asked)
    for side in reversed(stage.sides):  # whoever is not to fetch has had its time for it when the other one has fetched
        side.restart()
    stage.until(lambda: len(asked) > before, "nothing is fetched")
    stage.settle()


def _who(stage: Stage, connection: socket) -> str:
    """Return the name of the server at the other end of a connection."""
    return caller(connection, {side.server.pid: side.name for side in stage.sides if side.server.is_running})
