"""Nodes whose clocks were wrong, and the peers that set aside what they wrote then: a repair mends both."""

from collections.abc import Callable

import pytest

from mirror.model.record import Record
from mirror.store.base import Backend
from mirror.store.values import Repaired
from mirror.sync.exchange import MirrorExchange
from mirror.sync.responder import Responder
from mirror.sync.round import Round, exchange_all

DAY_MS = 86_400_000
NOW_MS = 1_764_000_000_000
ROOM = "messages/r"

Make = Callable[..., Backend]


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.ms = NOW_MS

    def __call__(self) -> int:
        return self.ms


def post(store: Backend, key: str) -> None:
    store.write(lambda writer: writer.put(Record(ROOM, key, 1, "x", 1, body=key.encode())))


def repair(store: Backend) -> Repaired:
    found: list[Repaired] = []
    store.renew_epoch(lambda writer: found.append(writer.write_anew(lambda _done: None)))
    return found[0]


def talk(*stores: Backend) -> None:
    """Have each of them pull from each other until all have what there is."""
    for _ in range(2):
        for one in stores:
            for other in stores:
                if one is not other:
                    work = Round(MirrorExchange(one, other.node), pushing=False)
                    exchange_all(work, Responder(other, peer=one.node), other.epoch)


def digests(*stores: Backend) -> set[int]:
    return {store.read(lambda reader: reader.digest("").total) for store in stores}


def aside(store: Backend) -> dict[str, int]:
    return store.read(lambda reader: reader.aside_counts())


def keys(store: Backend) -> set[str]:
    return {record.key for record in store.read(lambda reader: list(reader.scan_all(ROOM)))}


@pytest.fixture
def clocks() -> dict[str, Clock]:
    return {name: Clock() for name in ("alpha", "beta", "gamma")}


def test_a_sign_of_life_and_a_post_from_the_future_stop_nothing_once_that_node_is_repaired(
    make_store: Make, clocks: dict[str, Clock]
) -> None:
    alpha, beta = make_store("alpha", now_ms=clocks["alpha"]), make_store("beta", now_ms=clocks["beta"])
    post(alpha, "id:1")
    for store in (alpha, beta):
        store.write(lambda writer: writer.beat())
    talk(alpha, beta)
    clocks["beta"].ms += 400 * DAY_MS
    beta.write(lambda writer: writer.beat())
    post(beta, "id:2")
    clocks["beta"].ms = NOW_MS + 2000
    talk(alpha, beta)
    assert aside(alpha) == {"beta": 2}
    post(alpha, "id:3")
    talk(alpha, beta)
    assert repair(beta) == Repaired(1, 0, 1)  # what came from alpha meanwhile bears its own time
    clocks["alpha"].ms = NOW_MS + 3000
    beta.write(lambda writer: writer.beat())
    talk(alpha, beta)
    assert keys(alpha) == keys(beta) == {"id:1", "id:2", "id:3"}
    assert aside(alpha) == aside(beta) == {}
    assert len(digests(alpha, beta)) == 1
    origin = beta.read(lambda reader: reader.origin())
    assert {"alpha", "beta", origin} == {record.key for record in alpha.read(lambda reader: reader.signs())}


def test_what_a_peer_that_was_wrong_as_well_still_holds_is_set_aside_until_it_is_repaired(
    make_store: Make, clocks: dict[str, Clock]
) -> None:
    alpha, beta, gamma = (make_store(name, now_ms=clock) for name, clock in clocks.items())
    post(alpha, "id:0")
    talk(alpha, beta, gamma)
    for name in ("alpha", "beta"):
        clocks[name].ms += DAY_MS
    post(alpha, "id:1")
    talk(alpha, beta)
    beta.write(lambda writer: writer.delete(ROOM, "id:0"))
    post(beta, "id:2")
    talk(alpha, beta)
    for clock in clocks.values():
        clock.ms = NOW_MS + 2000
    repair(alpha)
    talk(alpha, beta, gamma)
    assert aside(alpha) == {"beta": 3}, "beta is in need of the same"
    assert keys(gamma) == {"id:1", "id:2"}, "gamma has it by alpha"
    post(alpha, "id:4")
    for clock in clocks.values():
        clock.ms += 2000
    repair(beta)
    talk(alpha, beta, gamma)
    for store in (alpha, beta, gamma):
        assert aside(store) == {}
        assert keys(store) == {"id:1", "id:2", "id:4"}
        assert store.read(lambda reader: reader.conflict_count()) == 0
        assert store.read(lambda reader: reader.digest("").newest) <= store.clock.limit()
    assert len(digests(alpha, beta, gamma)) == 1
