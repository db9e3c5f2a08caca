"""A conflict that somebody resolved is none on any node, in whatever order its versions come there."""

from collections.abc import Callable
from itertools import permutations

import msgspec
import pytest

from mirror.model.record import Record
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
SERVER = "citadel:alpha"


def text(stamp: int, origin: str, body: bytes) -> Record:
    return Record("room-info", "alpha:1", stamp, origin, 1, body=body)


def resolved(make_store: Make, *versions: Record) -> Record:
    """Return the version that somebody writes who was shown the conflict of these."""
    store = make_store("z")
    for version in versions:
        store.write(lambda writer, one=version: writer.apply([one]))
    (conflict,) = store.read(lambda reader: reader.conflicts())
    made = store.write(lambda writer: writer.dismiss(conflict.number))
    assert made is not None
    return made


def ends(make_store: Make, versions: list[Record]) -> set[tuple[bytes, tuple[bytes, ...]]]:
    """Return what all orders end in: what is held, and what is in the conflict log unresolved."""
    found = set()
    for order in permutations(versions):
        store = make_store("a")
        for version in order:
            store.write(lambda writer, one=version: writer.apply([one]))
        held = store.read(lambda reader: reader.get("room-info", "alpha:1"))
        assert held is not None
        found.add((held.body, tuple(one.loser.body for one in store.read(lambda reader: reader.conflicts()))))
        store.close()
    return found


def test_of_two_texts_of_a_server_the_earlier_was_not_seen_by_who_wrote_the_later(make_store: Make) -> None:
    one, other = text(10, SERVER, b"one"), text(20, SERVER, b"other")
    assert ends(make_store, [one, other]) == {(b"other", (b"one",))}
    edited = make_store("z")
    edited.write(lambda writer: writer.apply([other]))
    edit = edited.write(lambda writer: writer.put(text(1, "z", b"edit")))
    assert ends(make_store, [other, edit]) == {(b"edit", ())}
    assert ends(make_store, [one, edit]) == {(b"edit", (b"one",))}


@pytest.mark.parametrize("origins", [(SERVER, SERVER), (SERVER, "m"), ("m", "n")])
def test_what_was_resolved_stays_so_whatever_comes_first(make_store: Make, origins: tuple[str, str]) -> None:
    versions = [text(10, origins[0], b"one"), text(20, origins[1], b"other")]
    made = resolved(make_store, *versions)
    assert ends(make_store, [*versions, made]) == {(b"other", ())}


def test_a_past_that_was_cut_does_not_matter_where_the_loser_is_named(make_store: Make) -> None:
    versions = [text(10, "m", b"one"), text(20, "n", b"other")]
    made = resolved(make_store, *versions)
    assert "m" not in dict(made.past), "dismissing replaces the winner alone"
    cut = msgspec.structs.replace(made, past=())
    assert ends(make_store, [versions[0], cut]) == {(b"other", ())}
