"""Work in a pool of threads, for green threads that must not hold each other up.  Knows no store."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Pool(Protocol):
    """What a store needs of a pool of threads, such as gevent's."""

    def spawn(self, job: Callable[..., Any], *arguments: Any) -> Any:
        """Have a job run; returns what ``get`` waits for the outcome of."""
        ...

    def join(self) -> Any:
        """Wait until all jobs are done."""
        ...

    def kill(self) -> Any:
        """End the threads."""
        ...


def run_in(pool: Pool, job: Callable[[], T]) -> T:
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
