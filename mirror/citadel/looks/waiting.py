"""Deletions that wait until somebody approves or refuses them, by which look at a server found them.  Values only."""

from collections.abc import Iterable
from itertools import chain, islice

import msgspec

from mirror.citadel.looks.decided import HeldBack


class Waiting(msgspec.Struct):
    """What waits, and what that would delete, in words: of a look at all, at files, at single rooms by number."""

    of_all: list[HeldBack] = []
    of_files: list[HeldBack] = []
    of_rooms: dict[int, HeldBack] = {}
    words: list[str] = []
    words_of_rooms: dict[int, list[str]] = {}

    @property
    def held(self) -> list[HeldBack]:
        """All that waits."""
        return [*self.of_all, *self.of_rooms.values(), *self.of_files]

    def told(self, most: int) -> list[str]:
        """Return in words what would be deleted, of very much the first."""
        return list(islice(chain(self.words, *self.words_of_rooms.values()), most))

    def looked_at(self, rooms: Iterable[int], held: dict[int, HeldBack], words: dict[int, list[str]]) -> None:
        """Note what waits of rooms that were looked at, by their numbers."""
        for number in rooms:
            self.of_rooms.pop(number, None)
            self.words_of_rooms.pop(number, None)
        self.of_rooms |= held
        self.words_of_rooms |= words

    def forget_rooms(self) -> None:
        """An export tells of all rooms anew."""
        self.of_rooms, self.words_of_rooms = {}, {}
