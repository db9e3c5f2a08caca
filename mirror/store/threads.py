"""Work in a pool of threads, for green threads that must not hold each other up.  Knows no store."""

from collections.abc import Callable
from typing import Any, TypeVar

from gevent.threadpool import ThreadPool

T = TypeVar("T")


def run_in(pool: ThreadPool, job: Callable[[], T]) -> T:
    """Run a job in a pool of threads, and return or raise its outcome; the pool itself would print what is raised."""
    value, error = pool.spawn(_outcome, job).get()
    if error is not None:
        raise error
    result: T = value
    return result


def _outcome(job: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return job(), None
    except Exception as error:
        return None, error
