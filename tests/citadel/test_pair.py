"""Two made-up servers that are kept equal by two nodes: what is done on both at once is one in the end."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_pair import Pair, a_pair

from mirror.store.sqlite.store import SqliteStore


@pytest.fixture
def pair(make_store: Callable[..., SqliteStore], tmp_path: Path) -> Iterator[Pair]:
    with a_pair(make_store, tmp_path) as pair:
        yield pair


def test_what_is_posted_on_either_is_on_both(pair: Pair) -> None:
    pair.alpha.server.post(1, "from alpha", name="a@alpha")
    pair.beta.server.post(1, "from beta", name="b@beta")
    pair.settle()
    assert pair.alpha.texts(1) == [("a@alpha", "from alpha"), ("b@beta", "from beta")]


def test_a_room_that_is_put_on_a_floor_while_that_is_killed_on_the_other_is_on_the_first_floor_of_both(
    pair: Pair,
) -> None:
    pair.alpha.server.floor(2, "Attic")
    pair.settle()
    attic = next(number for number, one in pair.beta.server.floors.items() if one["f_name"] == "Attic")
    pair.alpha.server.floor(2, "", f_flags="0")
    pair.beta.server.rooms[2] |= {"QRfloor": str(attic), "QRorder": "7"}
    pair.beta.server.room(50, "New", QRfloor=str(attic))
    pair.beta.server.room(51, "9999999999.6B0C0000.0001.Old", QRflags="16390", QRfloor=str(attic))
    pair.alpha.look()
    pair.beta.look()
    pair.exchange()
    pair.alpha.look()
    assert pair.alpha.server.rooms[2]["QRorder"] == "7", "what is written besides does not wait for the floor"
    pair.settle()
    floors = [[one["f_name"] for one in side.server.floors.values() if one["f_name"]] for side in pair]
    assert floors == [["Main Floor"], ["Main Floor"]]
    assert [side.server.rooms[side.number("New")]["QRfloor"] for side in pair] == ["0", "0"]
