"""What a peer that dials us finds by comparing, when it is asked to."""

from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from sessions import sessions_on

from mirror.config.settings import Config
from mirror.peer.channel import Channel
from mirror.peer.remote import ChannelRemote
from mirror.server import comparing
from mirror.server.comparing import Comparing
from mirror.server.node import Node
from mirror.service.party import ADMIN, Party
from mirror.store.green import open_green
from mirror.sync.scope import EVERYTHING
from mirror.wire.errors import Refused
from mirror.wire.status import ComparisonStatus

FOUND = ComparisonStatus("beta", "alpha", "beta", differing={"rooms": ("theirs", "ours")})
BETA, GAMMA = (Party("peer", name, EVERYTHING) for name in ("beta", "gamma"))


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Callable[[Party], Channel]]:
    store = open_green(tmp_path, "alpha")
    with sessions_on(Node(Config(tmp_path, "alpha"), {}, store)) as start:
        yield start
    store.close()


def test_the_one_who_was_asked_tells_it_and_nobody_else(talk: Callable[[Party], Channel]) -> None:
    names: list[str] = []
    follower = ChannelRemote(talk(BETA))
    follower.asked_to_compare = names.append
    pages = follower.tail(follower.info().cursor, asks=True)
    next(pages)
    administrator = ChannelRemote(talk(ADMIN))
    asking = gevent.spawn(administrator.channel.ask, "SYNC all|verify|beta", 1)
    next(pages)
    with pytest.raises(Refused, match="nobody waits"):
        ChannelRemote(talk(GAMMA)).tell_comparison(names[0], FOUND)
    with pytest.raises(Refused, match="for peers that were asked"):
        ChannelRemote(talk(ADMIN)).tell_comparison(names[0], FOUND)
    assert not asking.ready()
    ChannelRemote(talk(BETA)).tell_comparison(names[0], FOUND)
    asking.get(timeout=20)
    assert '"told_by": "beta"' in next(iter(administrator.channel.read_listing()))
    with pytest.raises(Refused, match="nobody waits"):
        ChannelRemote(talk(BETA)).tell_comparison(names[0], FOUND)


def test_who_does_not_follow_cannot_be_asked(talk: Callable[[Party], Channel]) -> None:
    talk(BETA)
    for command, refusal in (("verify|beta", "does not follow it now"), ("verify|gamma", "does not follow it now")):
        with pytest.raises(Refused, match=refusal):
            talk(ADMIN).ask(f"SYNC all|{command}", 1)
    with pytest.raises(Refused, match="administrators"):
        talk(GAMMA).ask("SYNC all|verify|beta", 1)


def test_who_goes_or_does_not_answer_is_waited_for_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "LOOK_S", 0.01)
    with pytest.raises(Refused, match="beta was lost while it compared"):
        Comparing().ask("beta", str, lambda: False)
    monkeypatch.setattr(comparing, "ANSWER_S", 0.03)
    with pytest.raises(Refused, match="beta has not answered"):
        Comparing().ask("beta", str, lambda: True)
