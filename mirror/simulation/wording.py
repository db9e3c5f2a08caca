"""Rules of shared rooms as an administrator words them, and what the words let through.

That is worked out here from the words alone, not with the engine's code, which is held against it.
"""

import random
from collections.abc import Mapping
from typing import NamedTuple

from mirror.model.kinds import parse_collection
from mirror.model.record import Record
from mirror.model.stamp import stamp_ms

WHAT_OF = {
    "messages": "messages",
    "visits": "marks",
    "files": "files",
    "rooms": "settings",
    "room-info": "settings",
    "pictures": "settings",
}
"""What a rule calls the records of each kind of collection."""
ALL = ("messages", "deletions", "marks", "files", "settings")


class Wording(NamedTuple):
    """What one line says of sharing one room with one node."""

    direction: str = "both"
    what: tuple[str, ...] = ALL
    author: str = ""
    max_age_s: int = 0

    @property
    def pushes(self) -> bool:
        return self.direction != "pull"

    @property
    def pulls(self) -> bool:
        return self.direction != "push"

    def line(self, node: str, remote: str) -> str:
        """Return the line that says so of a room that is called ``remote`` at a node."""
        age = f"{self.max_age_s}s" if self.max_age_s else ""
        options = {
            "direction": self.direction,
            "what": ",".join(self.what),
            "author": f"{self.author}*" if self.author else "",
            "max_age": age,
        }
        return "|".join(
            ["mirror_share", node, remote, *(f"{name}={value}" for name, value in options.items() if value)]
        )

    def lets(self, record: Record, text: bytes, now_ms: int, asked: bool) -> bool:
        """Tell whether the words let a version through, direction aside; ``asked`` where its key was named."""
        what = WHAT_OF.get(parse_collection(record.collection).kind, "")
        if what not in self.what:
            return False
        if what == "marks":
            return " " in record.key
        if record.dead:
            return "deletions" in self.what and (asked or not (self.author or self.max_age_s))
        if what == "settings":
            return True
        if what == "messages" and self.author and b"\xffA\0A" + self.author.encode() + b"\0" not in text:
            return False
        return not self.max_age_s or now_ms - stamp_ms(record.stamp) <= self.max_age_s * 1000


EVERYTHING = Wording()
Lines = Mapping[str, Wording]
"""What a room's lines say, by the node that they name."""


def random_wording(chance: random.Random) -> Wording:
    """Return a rule that an administrator might think of."""
    what = ["messages"]
    what += [name for name in ALL[1:] if chance.random() < 0.7]
    return Wording(
        chance.choice(("both", "both", "push", "pull")),
        tuple(what),
        chance.choice(("", "", "", "Ann")),
        chance.choice((0, 0, 0, 5)),
    )
