"""A store for green threads: the hub never waits for a disk.

Reads run in a pool of threads.  Writes go to one writer thread; whatever was asked for while it was busy
becomes its next transaction, so the more there is to do, the fewer commits it takes.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import gevent
from gevent.event import AsyncResult
from gevent.threadpool import ThreadPool

from mirror.store.base import Backend, Pinned, Reader, Writer
from mirror.store.open import DEFAULT_URL, DEFAULTS, Options, open_store
from mirror.store.threads import Pool, run_in

T = TypeVar("T")

READ_THREADS = 4
MAX_GROUP = 64
"""Jobs in one commit at most."""


class GreenStore:
    """The same promises as the store it wraps; calls block the calling greenlet only."""

    def __init__(self, store: Backend, make_pool: Callable[[int], Pool] = ThreadPool) -> None:
        """``make_pool`` makes a pool of so many threads."""
        self._store = store
        self.node = store.node
        self.clock = store.clock
        self._read_pool = make_pool(READ_THREADS)
        self._write_pool = make_pool(1)
        self._waiting: list[tuple[Callable[[Writer], Any], AsyncResult]] = []
        self._writing: gevent.Greenlet | None = None
        self._watchers: dict[int, Callable[[], None]] = {}
        self._watcher_number = 0

    @property
    def epoch(self) -> str:
        return self._store.epoch

    @property
    def generation(self) -> int | None:
        return self._store.generation

    def read(self, job: Callable[[Reader], T]) -> T:
        return run_in(self._read_pool, lambda: self._store.read(job))

    def read_here(self, job: Callable[[Reader], T]) -> T:
        """Read in this very thread: for what runs in one of the pool already, and looks at another state as well."""
        return self._store.read(job)

    def pin(self) -> "GreenPinned":
        return GreenPinned(run_in(self._read_pool, self._store.pin), self._read_pool)

    def write(self, job: Callable[[Writer], T]) -> T:
        """Run ``job`` in the next group; returns once it is durable."""
        result: AsyncResult = AsyncResult()
        self._waiting.append((job, result))
        if self._writing is None or self._writing.ready():
            self._writing = gevent.spawn(self._write_waiting)
        value: T = result.get()
        return value

    def _write_waiting(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
            jobs = [job for job, _ in group]
            try:
                outcomes = run_in(self._write_pool, partial(self._store.write_group, jobs))
            except Exception as error:  # whatever it is, who waits for it is told
                outcomes = [error] * len(group)
            for (_, result), outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, BaseException):
                    result.set_exception(outcome)
                else:
                    result.set(outcome)
            for callback in list(self._watchers.values()):
                callback()

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have ``callback`` called in the hub after commits; returns what ends that."""
        self._watcher_number += 1
        number = self._watcher_number
        self._watchers[number] = callback
        return lambda: self._watchers.pop(number, None) and None

    def run(self, job: Callable[[Backend], T]) -> T:
        """Run something long on the wrapped store in a reading thread: a backup, a check."""
        return run_in(self._read_pool, lambda: job(self._store))

    def backup(self, destination: Path) -> None:
        """Copy the store to one new file, consistent while others write."""
        self.run(lambda store: store.backup(destination))

    def renew_epoch(self, also: Callable[[Writer], Any] | None = None) -> str:
        """Give the store a new epoch and origin; meant for a store that nobody uses yet."""
        return self._store.renew_epoch(also)

    def close(self) -> None:
        if self._writing is not None:
            self._writing.join()
        for pool in (self._read_pool, self._write_pool):
            pool.join()
            pool.kill()  # else its threads wait for ever
        self._store.close()


class GreenPinned:
    """A pinned state, read in the pool."""

    generation = 0

    def __init__(self, pinned: Pinned, pool: Pool) -> None:
        self._pinned = pinned
        self._pool = pool

    def read(self, job: Callable[[Reader], T]) -> T:
        return run_in(self._pool, lambda: self._pinned.read(job))

    def close(self) -> None:
        run_in(self._pool, self._pinned.close)


def open_green(
    directory: Path,
    node: str | None = None,
    url: str = DEFAULT_URL,
    options: Options = DEFAULTS,
) -> GreenStore:
    """Open a store for green threads.  Raises what open_store raises."""
    return GreenStore(open_store(directory, node, url, options))
