"""The scenario of very many read marks, scattered so that no range says many at once.

A server keeps what a user has read in a room in 4095 bytes, some 800 scattered marks, so there are several of both.
"""

import time
from collections.abc import Iterator

from try_live.pair import Side
from try_live.scenarios.deeds import make_room, make_user, post
from try_live.scenarios.stage import Stage
from try_live.scenarios.table import require_equal, scenario
from try_live.world import User

READERS = tuple(f"Reader {number}" for number in range(5))
ROOMS = ("Read one", "Read two")
POSTS = 1000
"""In each room; each reader reads every second one."""
Marked = dict[tuple[str, str], list[int]]
"""By reader and room, which posts are read, by their places in the room."""


@scenario("scattered-marks", "5000 scattered marks are on both, and are taken back on both")
def scattered_marks(stage: Stage) -> str:
    alpha, beta = stage.sides
    for user in READERS:
        make_user(alpha, user)
    for room in ROOMS:
        make_room(alpha, room)
        post(alpha, room, *(f"post {number}" for number in range(POSTS)))
    posted = _timed(stage, marks=False)
    wanted = {(user, room): [*range(at % 2, POSTS, 2)] for at, user in enumerate(READERS) for room in ROOMS}
    _mark(alpha, wanted, seen=True)
    marked = _timed(stage)
    for side in stage.sides:
        _require_marked(side, wanted)
    _mark(beta, {whose: places[::2] for whose, places in wanted.items()}, seen=False)
    taken_back = _timed(stage)
    for side in stage.sides:
        _require_marked(side, {whose: places[1::2] for whose, places in wanted.items()})
    count = sum(map(len, wanted.values()))
    return (
        f"{POSTS * len(ROOMS)} posts were on both after {posted:.0f} s, {count} marks after {marked:.0f} s, "
        f"{count // 2} were taken back after {taken_back:.0f} s"
    )


def _timed(stage: Stage, *, marks: bool = True) -> float:
    """Return after how many seconds all is on both."""
    began = time.monotonic()
    stage.settle(marks=marks)
    return time.monotonic() - began


def _mark(side: Side, marks: Marked, *, seen: bool) -> None:
    for (user, room), places in marks.items():
        with side.world.in_room(User(user, 0, 0), room) as session:
            numbers = session.lines("MSGS ALL")
            session.ask_all([(f"SEEN {numbers[place]}|{int(seen)}", ()) for place in places])


def _require_marked(side: Side, wanted: Marked) -> None:
    """Raise NotHeld where the readers have read other posts on a server."""
    for (user, room), places in wanted.items():
        differ = set(_marked(side, user, room)) ^ set(places)
        require_equal(len(differ), 0, f"marks of {user} in {room} that are otherwise on {side.name}")


def _marked(side: Side, user: str, room: str) -> Iterator[int]:
    with side.world.in_room(User(user, 0, 0), room) as session:
        old = set(session.lines("MSGS OLD"))
        yield from (place for place, number in enumerate(session.lines("MSGS ALL")) if number in old)
