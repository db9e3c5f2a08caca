"""Asking again and again whether anything has changed: it costs no look into the store, and never hides a change."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from mirror.model.record import Record
from mirror.store.base import Backend, Reader
from mirror.store.open import open_store
from mirror.sync.responder import Responder
from mirror.sync.scope import Everything

T = TypeVar("T")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Backend]:
    opened = open_store(tmp_path, "m")
    yield opened
    opened.close()


class Watched:
    """A reading of a store that notes each look into it; ``meanwhile`` is done at its end, before it is told."""

    def __init__(
        self, store: Backend, meanwhile: Callable[[], None] = lambda: None, *, told_apart: bool = True
    ) -> None:
        self._store = store
        self._meanwhile = meanwhile
        self._told_apart = told_apart
        self.reads = 0

    @property
    def generation(self) -> int | None:
        return self._store.generation if self._told_apart else None

    def read(self, job: Callable[[Reader], T]) -> T:
        self.reads += 1
        read = self._store.read(job)
        self._meanwhile()
        return read


def put(store: Backend, key: str) -> None:
    store.write(lambda writer: writer.put(Record("pictures", key, 1, "x", 1, body=b"x")))


def test_who_knows_the_state_is_told_so_without_a_look_into_the_store(store: Backend) -> None:
    put(store, "a")
    watched = Watched(store)
    responder = Responder(store, reading=watched, peer="peer")
    known = responder.info().digest
    first = responder.info(known)
    looks = watched.reads
    assert [responder.info(known) for _ in range(3)] == [first] * 3
    assert first.collections is None and watched.reads == looks


def test_what_is_written_is_told_to_who_polls(store: Backend) -> None:
    put(store, "a")
    responder = Responder(store)
    known = responder.info().digest
    assert responder.info(known).collections is None
    put(store, "b")
    told = responder.info(known)
    assert told.collections is not None and told.digest.count == 2
    assert told.sequence == store.read(lambda reader: reader.last_sequence())


def test_a_place_that_moves_without_another_record_is_told(store: Backend) -> None:
    put(store, "a")
    responder = Responder(store)
    known = responder.info().digest
    responder.info(known)
    store.write(lambda writer: writer.set_meta("horizon", 4711))
    assert responder.info(known).horizon == 4711


def test_what_is_written_while_it_is_read_is_told_the_next_time(store: Backend) -> None:
    put(store, "a")
    known = Responder(store).info().digest
    responder = Responder(store, reading=Watched(store, lambda: put(store, "b")))
    assert responder.info(known).collections is None  # as it was when that was read
    assert responder.info(known).collections is not None


def test_of_states_that_nobody_can_tell_apart_each_is_looked_at(store: Backend) -> None:
    put(store, "a")
    watched = Watched(store, told_apart=False)
    responder = Responder(store, reading=watched)
    known = responder.info().digest
    responder.info(known)
    looks = watched.reads
    responder.info(known)
    assert watched.reads == looks + 1


def test_another_digest_is_not_what_was_told(store: Backend) -> None:
    put(store, "a")
    responder = Responder(store)
    known = responder.info().digest
    responder.info(known)
    assert responder.info(known._replace(total=known.total ^ 1)).collections is not None
    assert responder.info().collections is not None


def test_of_a_part_nothing_is_kept(store: Backend) -> None:
    class Some(Everything):
        def reads(self, collection: str) -> bool:
            return collection == "pictures"

    put(store, "a")
    watched = Watched(store)
    for scope, allows in ((Some(), None), (Everything(), lambda name: name == "pictures")):
        responder = Responder(store, scope, watched)
        known = responder.info(None, allows).digest
        responder.info(known, allows)
        looks = watched.reads
        assert responder.info(known, allows).collections is None
        assert watched.reads == looks + 1  # what is shown of a part may hang on the time
