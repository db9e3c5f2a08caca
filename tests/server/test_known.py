"""Every node that is known, whoever dials: what it is at, how far behind, when it was last heard of."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gevent
import pytest
from daemons import run, running

from mirror.addresses import Address
from mirror.cli.local import ask_values, daemon_channel, greeted
from mirror.config.settings import Peer
from mirror.model.stamp import make_stamp
from mirror.server.daemon import Daemon
from mirror.server.known import Served, Told, known_nodes
from mirror.wire.status import KnownNode, LinkStatus, NodeStatus

NOW = 1_764_000_000.0
DIALLED, DIALS = Peer("beta", Address("h", 1)), Peer("gamma")
NOTHING = Told(NOW, [], [], {}, {}, {})


def known(told: Told, *peers: Peer) -> list[KnownNode]:
    return known_nodes("alpha", peers, told, lambda sequence: 100 - sequence)


def linked(phase: str = "live", **given: Any) -> Told:
    return NOTHING._replace(links=[LinkStatus("beta", "h:1", phase, NOW - 50, **given)])


def test_a_link_that_is_up_lags_by_what_is_to_come_and_one_that_is_lost_since_all_was_here() -> None:
    up = known(linked(heard=NOW - 5, left=0, caught_up=NOW - 5), DIALLED)
    assert [(one.now, one.behind, one.lag_s, one.seen) for one in up] == [("live", 0, 0.0, NOW - 5)]
    copying = known(linked(heard=NOW - 1, left=700, caught_up=NOW - 20), DIALLED)
    assert [(one.behind, one.lag_s) for one in copying] == [(700, 20.0)]
    assert [(one.behind, one.lag_s) for one in known(linked(left=9), DIALLED)] == [(9, 50.0)]  # never had all yet
    assert [(one.behind, one.lag_s) for one in known(linked(), DIALLED)] == [(-1, 0.0)]  # not told yet
    lost = known(linked("waiting", error="gone", heard=NOW - 30, caught_up=NOW - 90), DIALLED)
    assert [(one.now, one.behind, one.lag_s, one.error) for one in lost] == [("waiting", -1, 90.0, "gone")]
    assert known(linked("waiting", heard=NOW - 30), DIALLED)[0].lag_s == 30.0
    (never,) = known(NOTHING, DIALLED)
    assert (never.now, never.lag_s, never.seen) == ("not dialled", -1.0, 0.0)


def test_a_peer_that_we_dial_is_behind_in_both_directions() -> None:
    pushed = linked(left=3, caught_up=NOW - 4, given=95, gave_all=NOW - 9)
    assert [(one.behind, one.lag_s) for one in known(pushed, DIALLED)] == [(8, 9.0)]
    follows = linked(left=3, caught_up=NOW - 4)._replace(served=[Served("beta", 90, NOW - 2)])
    assert [(one.how, one.behind, one.lag_s) for one in known(follows, DIALLED)] == [("we dial it", 13, 4.0)]


def test_who_dials_us_is_behind_by_what_was_not_sent() -> None:
    served = [Served("gamma", None, 0.0), Served("gamma", 90, NOW - 7), Served("gamma", 40, NOW - 60)]
    (one,) = known(NOTHING._replace(served=served), DIALS)
    assert (one.how, one.now, one.behind, one.lag_s) == ("it dials us", "live", 10, 7.0)
    (equal,) = known(NOTHING._replace(served=[Served("gamma", 100, NOW - 7)]), DIALS)
    assert (equal.behind, equal.lag_s) == (0, 0.0)


def test_who_is_away_was_seen_when_its_connection_ended_or_by_its_last_sign_of_life() -> None:
    told = NOTHING._replace(last_seen={"gamma": NOW - 30}, signs={"gamma": make_stamp(int(NOW - 900) * 1000)})
    (one,) = known(told, DIALS)
    assert (one.now, one.seen, one.behind, one.lag_s) == ("away", NOW - 30, -1, 30.0)
    (followed,) = known(told._replace(last_sent={"gamma": 60}), DIALS)
    assert followed.behind == 40


def test_third_nodes_are_known_by_their_signs_of_life_in_whichever_life() -> None:
    signs = {"delta": make_stamp(1_000), "delta~ab12": make_stamp(9_000), "alpha": make_stamp(5_000)}
    assert known(NOTHING._replace(signs=signs)) == [KnownNode("delta", "through others", seen=9.0, lag_s=-1.0)]


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What the daemons log; each command sets the root of all logs up anew."""
    caplog.set_level(logging.INFO, "mirror")
    logging.getLogger("mirror").addHandler(caplog.handler)
    yield caplog
    logging.getLogger("mirror").removeHandler(caplog.handler)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Daemon]]:
    """Starts the daemon of a node by its name."""
    with ExitStack() as daemons:
        yield lambda name: daemons.enter_context(running(tmp_path / name))


def test_a_running_node_shows_and_logs_the_one_that_dials_it_until_and_after_it_goes(
    tmp_path: Path, start: Callable[[str], Daemon], logged: pytest.LogCaptureFixture
) -> None:
    def wait_for(phase: str, node: str = "main", behind: int = -1) -> KnownNode:
        """Wait less long than for the first keepalive that comes by itself."""
        with gevent.Timeout(20):
            while True:
                channel = daemon_channel(tmp_path / node)
                assert channel is not None
                (one,) = ask_values(greeted(channel), "SYNC all|status", NodeStatus)[0].nodes
                channel.close()
                if one.now == phase and one.behind >= behind:
                    return one
                gevent.sleep(0.05)

    def wait_equal(*daemons: Daemon) -> None:
        with gevent.Timeout(20):
            while len({one.node.store.read(lambda reader: reader.root().digest) for one in daemons}) > 1:
                gevent.sleep(0.05)

    run(tmp_path / "main", "init", "--node", "main", "--listen", "127.0.0.1:0")
    main = start("main")
    invitation = run(tmp_path / "main", "peer", "invite", "standby").stdout
    run(tmp_path / "standby", "join", "--listen", "127.0.0.1:0", given=invitation)
    assert "peer standby takes a copy of what is here now" in logged.messages
    logged.clear()
    standby = start("standby")
    one = wait_for("live")
    assert (one.name, one.how, one.kind) == ("standby", "it dials us", "mirror")
    assert "it dials us" in run(tmp_path / "main", "status").stdout
    dialled = wait_for("live", "standby", behind=0)
    assert (dialled.name, dialled.how, dialled.behind, dialled.lag_s) == ("main", "we dial it", 0, 0.0)
    assert run(tmp_path / "main", "status", "--check").stdout.startswith("OK: ")
    assert [line for line in logged.messages if line.startswith("peer standby has logged in from 127.0.0.1:")]
    wait_equal(main, standby)  # each has the other's sign of life
    assert "collections are equal." in run(tmp_path / "main", "verify", "standby").stdout
    assert "collections are equal." in run(tmp_path / "standby", "verify", "main").stdout
    standby._stop.set()
    away = wait_for("away")
    assert "peer standby is gone" in logged.messages
    assert away.seen > 0 and 0 <= away.lag_s < 60
    run(tmp_path / "main", "room", "create", "News")
    assert "does not follow it now" in run(tmp_path / "main", "verify", "standby", code=6).stderr
    assert wait_for("away", behind=1).behind >= away.behind + 1 > 0
    assert "standby is away" in run(tmp_path / "main", "status", "--check", "--max-lag", "0s", code=2).stdout
