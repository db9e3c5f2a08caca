"""A gate between a node and its server, that holds what goes through at a given command, so that either can be killed.

It stands where the server's own door is, a Unix socket or a port of this machine, and knows nothing but where a command
begins.
"""

import queue
import re
import select
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NamedTuple

BLOCK = 65_536

Connect = Callable[[], socket.socket]
"""Connects to what is behind the gate."""


class Stop(NamedTuple):
    """Where what goes through is held: at the first command that begins so, before, within or after it."""

    command: str
    when: str

    def at(self, block: bytes, position: int) -> int:
        """Return how much of a block passes, in which the command begins at a position."""
        return {BEFORE: position, WITHIN: (position + len(block)) // 2}.get(self.when, len(block))


BEFORE, WITHIN, AFTER = "before", "within", "after"
"""When something is held: a command that did not come, half of what was sent with it, or one that is not answered."""


class Gate:
    """Lets through what comes to a listening socket, which it owns; use it in a ``with``."""

    def __init__(
        self,
        listening: socket.socket,
        connect: Connect,
        stops: Iterable[Stop],
        reached: "queue.Queue[Stop]",
        begins: str = "",
    ) -> None:
        """Each of the stops is put into a queue once it is reached; what was held then is so until it is dropped.

        ``begins`` is a pattern of what stands in front of each command.
        """
        self._listening, self._connect, self._begins = listening, connect, begins
        self._stops, self._reached = list(stops), reached
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> "Gate":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stops = []
        _hang_up(self._listening)
        self.drop()

    @property
    def left(self) -> list[Stop]:
        """Return the stops that were not reached."""
        return [*self._stops]

    def drop(self) -> None:
        """Hang up on both ends of all that is open, held or not."""
        with self._lock:
            closing, self._open = self._open, []
        for one in closing:
            _hang_up(one)

    # -- what goes through --------------------------------------------------------------------------------

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return  # it was closed
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self._open.append(client)
        ends = [client]
        try:
            ends.append(server := self._connect())
            with self._lock:
                self._open.append(server)
            held = self._relay(client, server)
        except (OSError, ValueError):
            held = None  # either end is gone, or was dropped
        if held is not None:
            self._reached.put(held)
            return
        for one in ends:
            _hang_up(one)

    def _relay(self, client: socket.socket, server: socket.socket) -> Stop | None:
        """Let through what goes to and fro until either end hangs up, or a stop is reached, which is returned."""
        stop = None
        while True:
            for one in select.select([client, server] if stop is None else [server], [], [])[0]:
                if not (block := one.recv(BLOCK)):
                    return None
                if one is server:
                    if stop is not None:
                        return stop  # it answers: what was to be done is done
                    client.sendall(block)
                    continue
                stop, passes = self._stop_in(block)
                server.sendall(block[:passes])
                if stop is not None and stop.when != AFTER:
                    return stop

    def _stop_in(self, block: bytes) -> tuple[Stop | None, int]:
        """Return the first stop that a block of commands comes to, and how much of the block passes."""
        with self._lock:
            found = [(match.start(), one) for one in self._stops if (match := self._pattern(one).search(block))]
            if not found:
                return None, len(block)
            position, stop = min(found, key=lambda one: one[0])  # of those of one command the one named first
            self._stops.remove(stop)
            return stop, stop.at(block, position)

    def _pattern(self, stop: Stop) -> "re.Pattern[bytes]":
        return re.compile(f"^{self._begins}{re.escape(stop.command)}".encode(), re.MULTILINE)


def _hang_up(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)  # which wakes who waits for it
    one.close()
