"""A store in memory: what is committed stays when it is closed, a fault of its disk undoes the job and no more."""

from collections.abc import Callable

import pytest

from mirror.model.record import Record
from mirror.store.base import Backend, Writer
from mirror.store.check import check_store
from mirror.store.errors import StoreError
from mirror.store.open import FULL, DiskFault, Memory, Options, open_in_memory

RECORD = Record("files/r", "k", 10, "a", 10, body=b"x")
OPTIONS = Options(now_ms=lambda: 1_700_000_000_000, new_epoch=lambda: "epoch")


def open_it(memory: Memory) -> Backend:
    return open_in_memory(memory, "a", OPTIONS)


def held(store: Backend) -> list[str]:
    return [record.key for record in store.read(lambda reader: reader.scan("files/r"))]


def put(store: Backend, key: str) -> None:
    store.write(lambda writer: writer.put(Record("files/r", key, 1, "x", 1, body=key.encode())))


def test_what_is_committed_is_there_when_the_store_is_opened_again() -> None:
    memory = Memory()
    store = open_it(memory)
    put(store, "one")
    store.close()
    again = open_it(memory)
    assert (held(again), again.epoch) == (["one"], store.epoch)


def test_a_kill_in_the_middle_of_a_job_leaves_nothing_of_it() -> None:
    memory = Memory()
    store = open_it(memory)

    def job(writer: Writer) -> None:
        writer.put(RECORD)
        store.close()

    with pytest.raises(StoreError):
        store.write(job)
    assert held(open_it(memory)) == []


def test_a_backup_is_put_back_and_a_pinned_state_stays() -> None:
    memory = Memory()
    store = open_it(memory)
    put(store, "one")
    memory.back_up()
    pinned = store.pin()
    put(store, "two")
    assert [record.key for record in pinned.read(lambda reader: reader.scan("files/r"))] == ["one"]
    pinned.close()
    store.close()
    memory.put_back()
    assert held(open_it(memory)) == ["one"]


def put_beside_another(store: Backend, key: str) -> None:
    """The same as ``put``, in one commit with a job that changes nothing."""
    record = Record("files/r", key, 1, "x", 1, body=key.encode())
    store.write_group([lambda writer: writer.horizon(), lambda writer: writer.put(record)])


@pytest.mark.parametrize(("put", "statements"), [(put, 14), (put_beside_another, 18)])
@pytest.mark.parametrize("rolled_back", [False, True])
def test_whichever_statement_a_disk_fails_at_the_job_is_undone_and_the_store_goes_on(
    rolled_back: bool, put: Callable[[Backend, str], None], statements: int
) -> None:
    failed = 0
    while True:
        countdown = [-1]

        def fault(countdown: list[int] = countdown) -> DiskFault | None:
            countdown[0] -= 1
            return DiskFault(FULL, rolled_back) if countdown[0] == -1 else None

        store = open_it(Memory(fault=fault))
        put(store, "one")
        countdown[0] = failed
        try:
            put(store, "two")
        except StoreError as error:
            assert "full" in str(error)
        else:
            break
        countdown[0] = -1
        assert held(store) == ["one"]
        put(store, "three")
        assert check_store(store).problems == []
        failed += 1
    assert failed > statements


def test_a_disk_that_fails_within_an_attempt_is_what_the_error_names() -> None:
    """SQLite may roll back by itself; then there is no savepoint to go back to, which is nobody's trouble."""
    armed = []
    store = open_it(Memory(fault=lambda: DiskFault(FULL, rolled_back=True) if armed else None))

    def job(writer: Writer) -> None:
        def part() -> None:
            armed.append(True)
            writer.put(RECORD)

        writer.attempt(part)  # type: ignore[attr-defined]  # a table operation

    with pytest.raises(StoreError, match=FULL):
        store.write(job)
