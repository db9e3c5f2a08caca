"""Reading ahead: the network delivers the next pages while the store makes the last ones durable."""

from collections.abc import Iterator
from typing import TypeVar

import gevent
from gevent.queue import Queue

T = TypeVar("T")

DEPTH = 4
"""Items read ahead at most, so a slow disk slows the sender and no memory fills."""


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def prefetch(items: Iterator[T], depth: int = DEPTH) -> Iterator[T]:
    """Yield the same items, read by a greenlet of their own up to ``depth`` ahead; errors come in their place."""
    queue: Queue = Queue(depth)

    def fill() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                queue.put(item)
        except Exception as caught:  # raised again where the items are used
            error = caught
        queue.put(_End(error))

    reader = gevent.spawn(fill)
    try:
        while not isinstance(item := queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        reader.kill()
