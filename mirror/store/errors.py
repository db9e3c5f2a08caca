"""What can go wrong with a store: a class for each thing that somebody can act on, with the exit code of a command.

Knows nothing of what a store is or keeps.
"""

from collections.abc import Sequence

from mirror.model.errors import MirrorError


class StoreError(MirrorError):
    """The store cannot be opened, read or written."""

    exit_code = 5


class StoreInUse(StoreError):
    """Another process has the store open."""

    exit_code = 4


class StoreExists(StoreError):
    """A store is where another one was to be put."""

    exit_code = 3


class UnknownStore(StoreError):
    """What names a store in the configuration names none."""

    exit_code = 3


class StoreMissing(StoreError):
    """There is no store where one was: its disk may not be mounted."""


class StoreDamaged(StoreError):
    """What is stored contradicts itself; ``ctdlmirror check`` tells more."""


class NoConflict(StoreError):
    """There is no conflict of that number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no conflict {number}; 'ctdlmirror conflicts list' shows those there are")


class MissingContent(StoreError):
    """Records refer to contents that must be stored before them."""

    def __init__(self, contents: Sequence[tuple[bytes, int]]) -> None:
        super().__init__(f"{len(contents)} contents are missing")
        self.contents = list(contents)


class BoundReached(StoreError):
    """One party made so much of something that no more is taken from it."""


class TooMuchAside(BoundReached):
    """So much of one peer was set aside that nothing more is taken from it."""
