"""A hub and its leaves, whatever happens in whatever order: posts, deletions, rules that change, time that passes.

What may flow is worked out here from the rules' own words and the messages, not with the engine's code.
"""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from share_ends import End, drop, exchange_with, keys, post, room

from mirror.model.keys import split_key
from mirror.model.merge import inline_body
from mirror.model.record import Record
from mirror.model.stamp import stamp_ms
from mirror.model.texts import own_text, text_of
from mirror.store.base import Reader
from mirror.store.check import check_store
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.round import Round, exchange_all
from mirror.sync.share.exchange import ShareExchange

START_MS = 1_800_000_000_000
ROOMS = {"a": ("a:1", "Hub"), "b": ("b:9", "Hub"), "c": ("c:4", "Leaf")}
NEIGHBORS = [("a", "b"), ("a", "c"), ("b", "a"), ("c", "a")]
"""Who shares with whom: a is the hub."""


class Wording(NamedTuple):
    """A rule as its line words it."""

    direction: str = "both"
    what: str = "messages,deletions"
    author: str = ""
    max_age_s: int = 0

    def line(self, here: str, there: str) -> str:
        name = ROOMS[there][1]
        remote = name if name != ROOMS[here][1] else ""
        age = f"{self.max_age_s}s" if self.max_age_s else ""
        options = (("direction", self.direction), ("what", self.what), ("author", self.author), ("max_age", age))
        return "|".join(["mirror_share", there, remote, *(f"{name}={value}" for name, value in options if value)])

    def lets(self, record: Record, now_ms: int) -> bool:
        """Tell whether the words let a living message through."""
        by_author = not self.author or b"AAnn\0" in record.body
        return by_author and (not self.max_age_s or now_ms - stamp_ms(record.stamp) <= self.max_age_s * 1000)


EVERYTHING = Wording()
Rules = dict[tuple[str, str], Wording | None]
"""By (here, there); None where the line is missing."""


class World:
    """Three servers with a room each, one clock, and the links between them as a daemon keeps them."""

    def __init__(self, directory: Path) -> None:
        self.now_ms = START_MS
        self.stores: dict[str, SqliteStore] = {}
        for name, (key, shown) in ROOMS.items():
            (directory / name).mkdir()
            self.stores[name] = SqliteStore(directory / name, name, durable=False, now_ms=lambda: self.now_ms)
            room(self.stores[name], key, shown)
        self.rules: Rules = dict.fromkeys(NEIGHBORS, EVERYTHING)
        self._links: dict[tuple[str, str], tuple[ShareExchange, End]] = {}
        for name in ROOMS:
            self._write_lines(name)

    def _write_lines(self, name: str) -> None:
        lines = [rule.line(name, there) for (here, there), rule in self.rules.items() if here == name and rule]
        room(self.stores[name], *ROOMS[name], "\n".join(lines or ["listrecp|x@y"]))

    def change_rule(self, here: str, there: str, rule: Wording | None) -> None:
        """Change a line; both sides' daemons notice, and begin anew."""
        self.rules[here, there] = rule
        self._write_lines(here)
        self._links.pop((here, there), None)
        self._links.pop((there, here), None)

    def _link(self, here: str, there: str) -> tuple[ShareExchange, End]:
        if (here, there) not in self._links:
            self._links[here, there] = exchange_with(self.stores[here], self.stores[there])
        return self._links[here, there]

    def dial(self, here: str, there: str) -> None:
        """Do once what a link does all the time."""
        exchange, remote = self._link(here, there)
        exchange_all(Round(exchange, True), remote, remote.store.epoch)

    def compare(self, here: str, there: str) -> None:
        """Compare all that the two share besides, as a link does on its schedule."""
        exchange, remote = self._link(here, there)
        connection = Round(exchange, True)
        connection.prepare(remote, remote.store.epoch)
        connection.reconcile(remote)
        self.dial(here, there)

    # -- what is there, and what should be ----------------------------------------------------------

    def held(self, name: str) -> dict[str, Record]:
        """Return all that is in a room by key, tombstones too."""
        collection = f"messages/{ROOMS[name][0]}"

        def job(reader: Reader) -> dict[str, Record]:
            return {record.key: record for record in reader.scan(collection, limit=10_000)}

        return self.stores[name].read(job)

    def flows(self, source: str, target: str, record: Record) -> bool:
        """Tell whether a record may go from one server to another, as the rules of both say now."""
        ours, theirs = self.rules[source, target], self.rules[target, source]
        if ours is None or theirs is None or ours.direction == "pull" or theirs.direction == "push":
            return False
        if record.dead:
            return "deletions" in ours.what and "deletions" in theirs.what
        return ours.lets(record, self.now_ms) and theirs.lets(record, self.now_ms)

    def watched(self, here: str, there: str, step: str) -> None:
        """Dial or compare, and hold what came of it against what may flow."""
        before = {name: self.held(name) for name in (here, there)}
        (self.dial if step == "dial" else self.compare)(here, there)
        for source, target in ((here, there), (there, here)):
            after = self.held(target)
            for key, record in after.items():
                if before[target].get(key) != record and not same_version(before[target], record):
                    came = same_version(before[source], record)
                    assert came is not None, f"{key} came from nowhere to {target}"
                    assert self.flows(source, target, came), f"{key} came from {source} to {target}"
            for key, record in before[source].items():
                if not record.dead and self.flows(source, target, record):
                    assert message(record) in map(message, after.values()), f"{key} did not come to {target}"


def message(record: Record) -> tuple[str, str]:
    """Return what tells a message from all others, whatever key it has beside others of its id."""
    return split_key(record.key)[0], text_of(record, lambda one: own_text(one, inline_body))


def same_version(held: dict[str, Record], record: Record) -> Record | None:
    """Return the version of these that a record is, whatever its key and what it knows of other versions."""
    found = (one for one in held.values() if (one.version, one.dead) == (record.version, record.dead))
    return next((one for one in found if message(one) == message(record)), None)


def worlds() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory))
        yield world
        for store in world.stores.values():
            assert check_store(store).problems == []
            store.close()


def happen(world: World, step: tuple[str, ...], number: int) -> None:
    """Let one step happen."""
    what, *rest = step
    if what == "tick":
        world.now_ms += int(rest[0])
        return
    if what in ("dial", "compare"):
        world.watched(rest[0], rest[1], what)
        return
    store, key = world.stores[rest[0]], ROOMS[rest[0]][0]
    if what == "post":
        post(store, key, f"{number}", author=rest[1])
    elif what == "edit":
        post(store, key, f"edited {rest[1]}", f"text {number}")
    else:
        held = sorted(keys(store, key))
        if held:
            drop(store, key, held[int(rest[1]) % len(held)])


SERVERS, SOME = st.sampled_from("abc"), st.sampled_from("01234")
LINKS = st.sampled_from(NEIGHBORS)
HAPPENS = (
    st.tuples(st.just("post"), SERVERS, st.sampled_from(("Ann", "Bob")))
    | st.tuples(st.sampled_from(("edit", "drop")), SERVERS, SOME)
    | LINKS.map(lambda link: ("dial", *link))
    | LINKS.map(lambda link: ("compare", *link))
)
PASSES = st.sampled_from((1, 20_000, 60_000, 90_000)).map(lambda milliseconds: ("tick", str(milliseconds)))
WORDINGS = st.none() | st.builds(
    Wording,
    st.sampled_from(("both", "both", "push", "pull")),
    st.sampled_from(("messages", "messages,deletions", "messages,deletions")),
    st.sampled_from(("", "", "Ann*")),
    st.sampled_from((0, 0, 60)),
)
CHANGES = st.tuples(st.just("rule"), LINKS, WORDINGS)


def end_equal(world: World) -> None:
    """Let all rules share everything, let all exchange, and hold the rooms against each other."""
    for here, there in NEIGHBORS:
        world.change_rule(here, there, EVERYTHING)
    for leaf in "bcbc":
        world.dial(leaf, "a")
    contents = [
        {(one.key, one.stamp, one.origin, one.body) for one in world.held(name).values() if not one.dead}
        for name in ROOMS
    ]
    assert contents[0] == contents[1] == contents[2]


@given(st.lists(HAPPENS, max_size=30))
@settings(max_examples=40)
def test_a_hub_and_two_leaves_end_with_equal_rooms_in_any_order(steps: list[tuple[str, ...]]) -> None:
    for world in worlds():
        for number, step in enumerate(steps):
            happen(world, step, number)
        end_equal(world)


@given(st.lists(HAPPENS | PASSES | CHANGES, max_size=40))
@settings(max_examples=60)
def test_rules_that_change_and_time_that_passes_let_flow_what_they_say_at_each_moment(
    steps: list[tuple[Any, ...]],
) -> None:
    for world in worlds():
        for number, step in enumerate(steps):
            if step[0] == "rule":
                world.change_rule(*step[1], step[2])
            else:
                happen(world, step, number)
        end_equal(world)


def test_every_pair_of_wordings_lets_flow_just_what_both_say() -> None:
    """All pairs of directions, of what, of filters, with what is old and new, of either author, and deleted."""
    wordings = [
        None,
        *(Wording(direction, what) for direction, what in itertools.product(
            ("both", "push", "pull"), ("messages", "messages,deletions"))),
        *(Wording(author=author, max_age_s=age) for author, age in (("Ann*", 0), ("", 60), ("Ann*", 60))),
    ]  # fmt: skip
    for world in worlds():
        for number, (ours, theirs) in enumerate(itertools.product(wordings, wordings)):
            world.change_rule("a", "b", ours)
            world.change_rule("b", "a", theirs)
            for name, author in itertools.product("ab", ("Ann", "Bob")):
                post(world.stores[name], ROOMS[name][0], f"{number} {author} at {name}", author=author)
            world.now_ms += 40_000
            world.watched("b", "a", "dial")
            drop(world.stores["a"], ROOMS["a"][0], f"{number} Ann at a")
            world.watched("b", "a", "compare")
        end_equal(world)
