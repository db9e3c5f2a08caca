"""Floors of two made-up servers that are kept equal: made, killed and moved to on both at once."""

import itertools
from collections.abc import Callable

from made_pair import Pair, Side

from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]


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


def floors(side: Side) -> dict[str, int]:
    return {one["f_name"]: number for number, one in side.server.floors.items() if int(one["f_flags"]) & 1}


def make_floor(side: Side, name: str) -> None:
    """Make a floor as a server does: under the first number that is free."""
    side.server.floor(next(one for one in range(16) if one not in floors(side).values()), name)


def kill_floor(side: Side, name: str) -> None:
    side.server.floor(floors(side)[name], "", f_flags="0")


def test_a_floor_that_is_made_where_one_was_killed_is_another_one_whoever_killed_that(pair: Pair) -> None:
    for killed_on, made_on in itertools.product(pair, pair):
        alpha, beta = pair
        make_floor(alpha, "Attic")
        make_floor(alpha, "Roof")
        make_floor(beta, "Cellar")
        pair.settle()
        for name in ("Attic", "Cellar"):
            kill_floor(killed_on, name)
        pair.settle()
        make_floor(made_on, "New")
        pair.settle()
        make_floor(alpha, "Newer")
        make_floor(beta, "Newest")
        pair.settle()
        expected = {"Main Floor", "Roof", "New", "Newer", "Newest"}
        assert set(floors(alpha)) == expected, (killed_on.name, made_on.name)
        for name in expected - {"Main Floor"}:
            kill_floor(made_on, name)
        pair.settle()
        assert set(floors(beta)) == {"Main Floor"}


def test_a_floor_that_is_killed_just_when_one_from_elsewhere_is_made_there_is_killed_on_both(pair: Pair) -> None:
    alpha, beta = pair
    make_floor(alpha, "Attic")
    pair.settle()
    make_floor(beta, "Cellar")
    beta.look()
    pair.exchange()

    listed = []

    def kill(command: bytes) -> None:
        listed.extend([command] * (command == b"LFLR"))
        if len(listed) == 2:  # the second one is asked for by who writes
            alpha.server.before = lambda _command: None
            kill_floor(alpha, "Attic")

    alpha.server.before = kill
    alpha.look()
    pair.settle()
    assert [set(floors(side)) for side in pair] == [{"Main Floor", "Cellar"}] * 2


def test_a_floor_on_which_a_server_counts_rooms_that_are_not_there_is_killed_once_it_counts_right(pair: Pair) -> None:
    alpha, beta = pair
    make_floor(alpha, "Attic")
    pair.settle()
    beta.server.miscounted.add(floors(beta)["Attic"])
    kill_floor(alpha, "Attic")
    pair.rest()
    (left,) = [line for line in beta.following.state.left_there if "Attic" in line]
    assert "counts rooms on it that are not there, until it is restarted" in left
    beta.server.miscounted.clear()
    beta.stop()
    beta.start()
    pair.settle()
    assert set(floors(beta)) == {"Main Floor"}
