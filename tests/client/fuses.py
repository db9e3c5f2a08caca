"""Breaks a client off, or has something happen, after so many of its steps: on the wire, the disk, in its state."""

from collections.abc import Callable
from typing import Any


class Killed(BaseException):
    """The client was killed."""


def kill() -> None:
    raise Killed


class Fuse:
    """Counts a client's steps down, and then does something."""

    def __init__(self) -> None:
        self.left = -1
        self.then: Callable[[], object] = kill

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
