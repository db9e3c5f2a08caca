"""Breaks a client off, or has something happen, after so many of its steps: on the wire, the disk, in its state."""

from collections.abc import Callable
from typing import Any


class Killed(BaseException):
    """The client was killed."""


def kill() -> None:
    raise Killed


class Fuse:
    """Counts a client's steps down, and then does something."""

    def __init__(self, left: int, then: Callable[[], object]) -> None:
        self.left = left
        self.then = then

    def burn(self) -> None:
        self.left -= 1
        if self.left == -1:
            self.then()


class Fragile:
    """Passes calls on; before and after each the fuse burns."""

    def __init__(self, inner: Any, fuse: Fuse) -> None:
        self._inner, self._fuse = inner, fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found

        def call(*given: Any, **named: Any) -> Any:
            self._fuse.burn()
            answer = found(*given, **named)
            self._fuse.burn()
            return Fragile(answer, self._fuse) if name == "place" else answer

        return call


def sync_until(machine: Any, at: int, then: Callable[[], object], **rules: bool) -> None:
    """Have a machine do a round; ``at`` which step something happens ``then``, if that is not below 0.

    A client that was killed begins anew with what is on the disk.
    """
    fuse = Fuse(at if at >= 0 else -2, then)
    try:
        machine.sync(around=lambda side: Fragile(side, fuse), **rules)
    except Killed:
        machine.restart()
