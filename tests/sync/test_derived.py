"""Sums over what is derived from a collection: right at every moment, and made anew only where something changed."""

from collections.abc import Callable
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.model.digest import digest_of
from mirror.model.record import Record
from mirror.store.base import Reader
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.derived import FOREVER, Span, Sums, digest_over, entries_of, span_over
from mirror.sync.scope import Text

Make = Callable[..., SqliteStore]
NAME = "files/a:1"


class Odd(NamedTuple):
    """Shows every second record, the others up to a moment that is their body; notes which it was asked for."""

    asked: list[str]

    def derive(self, record: Record, text: Text, now_ms: int) -> Record | None:
        self.asked.append(record.key)
        fades = self.fades(record)
        return record if fades is None or now_ms < fades else None

    def fades(self, record: Record) -> int | None:
        return int(record.body) if record.body else None


def fill(store: SqliteStore, count: int) -> None:
    records = [
        Record(NAME, f"k{number:05}", 1000 + number, "a", 1, body=b"%d" % number if number % 2 else b"")
        for number in range(count)
    ]
    store.write(lambda writer: writer.apply(records))


def plain(reader: Reader, now_ms: int) -> list[Record]:
    return [record for record in reader.scan(NAME, limit=10_000) if not record.body or now_ms < int(record.body)]


def test_only_the_stretches_that_changed_are_read_again(make_store: Make) -> None:
    store = make_store("a")
    fill(store, 2000)
    sums, odd = Sums(), Odd([])
    first = store.read(lambda reader: sums.of("x", reader, NAME, odd, 0))
    assert len(odd.asked) == 2000
    odd.asked.clear()
    assert store.read(lambda reader: sums.of("x", reader, NAME, odd, 0)) == first
    assert odd.asked == []
    store.write(lambda writer: writer.put(Record(NAME, "k00500", 1, "x", 1)))
    second = store.read(lambda reader: sums.of("x", reader, NAME, odd, 0))
    assert 0 < len(odd.asked) < 600  # the stretch it was in, and the last one, where it is now
    assert digest_over(second) == store.read(lambda reader: digest_of(plain(reader, 0)))


def test_only_the_stretches_in_which_something_fades_are_read_again(make_store: Make) -> None:
    store = make_store("a")
    fill(store, 2000)
    sums, odd = Sums(), Odd([])
    first = store.read(lambda reader: sums.of("x", reader, NAME, odd, 0))
    assert span_over(first) == Span(0, 1)
    for moment, most in ((1, 256), (2, 256), (3, 256), (150, 512), (151, 256), (5000, 2000), (3, 2000), (2, 256)):
        odd.asked.clear()
        found = store.read(lambda reader, at=moment: sums.of("x", reader, NAME, odd, at))
        assert digest_over(found) == store.read(lambda reader, at=moment: digest_of(plain(reader, at))), moment
        assert span_over(found).holds(moment)
        assert len(odd.asked) <= most, moment


def test_what_two_ask_for_by_different_names_is_kept_apart_and_the_oldest_is_dropped(make_store: Make) -> None:
    store = make_store("a")
    fill(store, 1000)
    odd = Odd([])
    blocks = len(store.read(lambda reader: reader.blocks(NAME)))
    sums = Sums(2 * blocks)
    for name, reads in (("x", True), ("y", True), ("x", False), ("z", True), ("y", False), ("x", True)):
        odd.asked.clear()
        store.read(lambda reader, name=name: sums.of(name, reader, NAME, odd, 0))
        assert bool(odd.asked) == reads, name


def test_a_span_ends_at_the_next_moment_and_begins_at_the_last() -> None:
    assert Span().without([None, 5, 9, 12, 20], 10) == Span(9, 12)
    assert Span().without([None], 10) == Span(0, FOREVER)
    assert Span().without([10], 10) == Span(10, FOREVER)


@given(
    st.lists(st.tuples(st.sampled_from(("write", "drop", "move")), st.integers(0, 400)), max_size=25),
    st.integers(0, 600),
)
@settings(max_examples=25)
def test_whatever_happens_the_sums_are_those_of_what_is_there(
    make_store: Make, steps: list[tuple[str, int]], count: int
) -> None:
    store = make_store("a", durable=False)
    fill(store, count)
    sums, now_ms = Sums(), 0
    for step, number in steps:
        if step == "write":
            draft = Record(NAME, f"k{number:05}", 1, "x", 1, body=b"%d" % number)
            store.write(lambda writer, draft=draft: writer.put(draft))
        elif step == "drop":
            store.write(lambda writer, number=number: writer.delete(NAME, f"k{number:05}"))
        else:
            now_ms = number

        def job(reader: Reader) -> None:
            found = sums.of("x", reader, NAME, Odd([]), now_ms)  # noqa: B023
            wanted = plain(reader, now_ms)  # noqa: B023
            assert digest_over(found) == digest_of(wanted)
            entries = entries_of(reader, NAME, Odd([]), now_ms, (0, ""), None)  # noqa: B023
            assert sorted(entry.key for entry in entries) == sorted(record.key for record in wanted)

        store.read(job)
    store.close()
