"""What a trial does to a server: fills it in given sizes, then changes it in every way that is known, by seed."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from try_live import files, marks, people, places, posting, settings  # they fill the table
from try_live.errors import NotNow, Refused, TrialFailed
from try_live.operations import KINDS, Kind
from try_live.places import OWN, VIEWS, make_room
from try_live.posting import FLOWING
from try_live.world import BOARD, MAIL, World

TRIES = 20
"""How often another kind is drawn in place of one that nothing is there for."""
BULK = 0.6
"""The share of the messages that are plain posts, sent without waiting for each reply."""
BULK_POSTS = 200
"""Posts of one user in one room."""
MOST = 300
"""What is done one by one when filling is done so often at most; more messages are more plain posts."""
TABLE = (files, marks, people, places, posting, settings)

Told = Callable[[str], None]
"""Told of each operation, in one line."""


class Sizes(NamedTuple):
    """How much a server is filled with."""

    users: int
    rooms: int
    messages: int


class Done(NamedTuple):
    """What was done, by kind; and what the server refused, by kind and its line."""

    done: Counter[str]
    refused: Counter[str]


def deal(count: int, chance: random.Random) -> list[Kind]:
    """Return ``count`` kinds in the order in which they are done: each once, then as often as they weigh."""
    kinds = [KINDS[name] for name in sorted(KINDS)]
    chance.shuffle(kinds)
    more = chance.choices(kinds, [kind.weight for kind in kinds], k=max(0, count - len(kinds)))
    return [*kinds, *more][:count]


def change(world: World, kinds: Sequence[Kind], done: Done, told: Told, others: Sequence[Kind] = ()) -> None:
    """Do a change of each of these kinds, or of one of the others where there is nothing to do it with.

    ``others`` are all where none is given.  What was done is added to ``done``.  Raises TrialFailed.
    """
    for kind in kinds:
        _do_one(world, kind, done, told, others or list(KINDS.values()))


def _do_one(world: World, first: Kind, done: Done, told: Told, others: Sequence[Kind]) -> None:
    """Do one change of a kind, or of another one where there is nothing to do it with or the server refuses it."""
    kind = first
    for _ in range(TRIES):
        if _try(world, kind, done, told):
            return
        kind = world.chance.choice(others)
    raise TrialFailed(f"nothing more could be changed after {sum(done.done.values())} changes: is the server empty?")


def _try(world: World, kind: Kind, done: Done, told: Told) -> bool:
    try:
        kind.run(world)
    except NotNow:
        told(f"{kind.name}: nothing to do it with")
        return False
    except Refused as error:
        told(f"{kind.name}: refused: {error}")
        done.refused[f"{kind.name}: {error}"] += 1
        return False
    told(kind.name)
    done.done[kind.name] += 1
    return True


# -- filling ----------------------------------------------------------------------------------------------


def fill(world: World, sizes: Sizes, told: Told) -> Done:
    """Fill a server with every kind of data, in the given sizes.  Raises TrialFailed."""
    done = Done(Counter(), Counter())
    for _ in range(sizes.users):
        _try(world, KINDS["user made"], done, told)
    _repeat(world, ("floor made",), min(3, sizes.rooms), done, told)
    make_rooms(world, sizes.rooms, done)
    _repeat(world, ABOUT_ROOMS, sizes.rooms, done, told)
    _repeat(world, ABOUT_USERS, 2 * sizes.users, done, told)
    _fill_messages(world, sizes.messages, done, told)
    _repeat(world, MARKS, sizes.users + sizes.messages // 20, done, told)
    _repeat(world, SETTINGS, 2 * len(SETTINGS), done, told)
    return done


ABOUT_USERS = (
    "addresses", "bio", "user picture", "inbox rules", "user flags", "password", "days until purge", "folder made",
)  # fmt: skip
ABOUT_ROOMS = (
    "directory room made", "room info", "room picture", "room aide", "room expiry", "user invited", "netconfig",
    "file uploaded", "room order", "file uploaded silently",
)  # fmt: skip
MARKS = (
    "read", "read up to here", "own mail read", "answered", "view chosen", "room forgotten", "user kicked",
)  # fmt: skip
MESSAGES = (
    "post", "mail", "mail from outside", "item made", "post", "two mails of one Message-ID", "item of one's own",
    "mail put into a folder by IMAP", "item made", "message copied",
)  # fmt: skip
SETTINGS = ("setting", "site expiry", "system configuration", "banner", "floor expiry")


def _repeat(world: World, names: Sequence[str], count: int, done: Done, told: Told) -> None:
    """Do the kinds of these names in turn, ``count`` times in all; what cannot be done is left out."""
    for index in range(min(count, MOST)):
        _try(world, KINDS[names[index % len(names)]], done, told)


def make_rooms(world: World, count: int, done: Done) -> None:
    """Make rooms of every view; every fifth one is not for everybody."""
    for index in range(count):
        view = VIEWS[index % len(VIEWS)]
        make_room(world, 1 + index // 5 % (OWN - 1) if index % 5 == 4 else 0, view)
        done.done["room made"] += 1


def _fill_messages(world: World, count: int, done: Done, told: Told) -> None:
    plain = max(int(count * BULK), count - MOST)
    _repeat(world, MESSAGES, count - plain, done, told)
    while plain > 0:
        posted = _post_many(world, min(plain, BULK_POSTS))
        done.done["post"] += posted
        plain -= posted


def _post_many(world: World, count: int) -> int:
    """Have one user write some plain posts into one room; returns how many."""
    user = world.one(world.writers())
    room = world.one([room for room in world.rooms() if room.public and room.view in (BOARD, MAIL)])
    posts = [
        (f"ENT0 1||0|{FLOWING}|{world.words(1, 5)}", [*world.lines(1, 6), "000"])
        for _ in range(world.chance.randint(1, count))
    ]
    with world.in_room(user, room.name) as session:
        session.ask_all(posts)
    return len(posts)
