"""A connection inside one process: two ends that look like green sockets and cost no system calls.

What is written waits in memory, however much it is; so nobody is ever blocked by who does not read.  For that, and for
time, there are real sockets (``--daemon``).
"""

import os
from collections.abc import Callable
from typing import Any

import gevent
from gevent.hub import Waiter

_LATE = object()


class Pipe:
    """Bytes on their way in one direction."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._closed = False
        self._reader: Waiter | None = None
        self._signal: int | None = None

    def write(self, data: bytes) -> None:
        if self._closed:
            raise BrokenPipeError("the other end is closed")
        self._data += data
        self._wake()

    def close(self) -> None:
        self._closed = True
        self._wake()

    def read(self, limit: int, seconds: float | None = None) -> bytes:
        """Return what there is, waiting for it; nothing at the end.  Raises TimeoutError."""
        while not self._data and not self._closed:
            self._wait(seconds)
        data = bytes(self._data[:limit])
        del self._data[:limit]
        if self._signal is not None:
            os.close(self._signal)
            self._signal = None
        return data

    def drop(self) -> None:
        """Have whoever writes find that nobody reads."""
        self._data.clear()
        self.close()

    def fileno(self) -> int:
        """Return a descriptor that is readable once there is something to be read."""
        if self._signal is None:
            self._signal = os.eventfd(int(bool(self._data) or self._closed), os.EFD_NONBLOCK)
        return self._signal

    def _wait(self, seconds: float | None) -> None:
        self._reader = waiter = Waiter()
        timer = None
        if seconds is not None:
            timer = gevent.get_hub().loop.timer(seconds)
            timer.start(waiter.switch, _LATE)
        try:
            if waiter.get() is _LATE and not self._data and not self._closed:  # it was not this process that was late
                raise TimeoutError
        finally:
            self._reader = None
            if timer is not None:
                timer.close()

    def _wake(self) -> None:
        if self._signal is not None:
            os.eventfd_write(self._signal, 1)
        if self._reader is not None:
            reader, self._reader = self._reader, None
            gevent.get_hub().loop.run_callback(reader.switch, None)


class End:
    """One end of a connection, as far as a Channel uses a socket."""

    def __init__(self, incoming: Pipe, outgoing: Pipe, timed: bool) -> None:
        """``timed``: whether it minds timeouts."""
        self._incoming, self._outgoing = incoming, outgoing
        self._timed = timed
        self._timeout: float | None = None

    def recv(self, limit: int) -> bytes:
        return self._incoming.read(limit, self._timeout)

    def sendall(self, data: bytes) -> None:
        self._outgoing.write(data)

    def fileno(self) -> int:
        return self._incoming.fileno()

    def settimeout(self, seconds: float | None) -> None:
        self._timeout = seconds if self._timed else None

    def shutdown(self, how: int) -> None:
        """End what is sent (1), or both directions."""
        self._outgoing.close()
        if how != 1:
            self._incoming.drop()

    def close(self) -> None:
        self._outgoing.close()
        self._incoming.drop()

    def setsockopt(self, *_option: object) -> None:
        """There is no kernel in between."""


def connected() -> tuple[End, End]:
    """Return the two ends of a new connection, of which the first one minds timeouts."""
    there, back = Pipe(), Pipe()
    return End(back, there, True), End(there, back, False)


class Done:
    """What came of a job that is done."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def get(self) -> Any:
        return self._value


class NoPool:
    """Runs each job at once, where it is asked for: a thread costs more than most of them."""

    def __init__(self, _threads: int) -> None:
        """However many are asked for, there are none."""

    def spawn(self, job: Callable[..., Any], *arguments: Any) -> Done:
        return Done(job(*arguments))

    def join(self) -> None:
        """Nothing is under way."""

    def kill(self) -> None:
        """Nor is there anything to end."""
