"""Which messages of a room a rule lets through: by time, age, size, author, subject, header."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple


class Facts(NamedTuple):
    """What is known of a message.  ``number`` is the one it had on the Citadel server it was imported from, or 0."""

    stamp_ms: int
    size: int
    number: int
    author: str = ""
    address: str = ""
    subject: str = ""
    header: Callable[[str], Sequence[str]] = lambda _name: ()


class Selection(NamedTuple):
    """The conditions of a rule; all that are set must hold.  Patterns are shell patterns, case does not matter."""

    since_ms: int = 0
    """Written at this time (Unix milliseconds) or later."""
    after_number: int = 0
    """IGNET's ``lastsent``: imported with a greater number than this, or written since."""
    max_age_s: int = 0
    max_size: int = 0
    author: str = ""
    """Matches the author's name or mail address."""
    subject: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def all(self) -> bool:
        """Whether everything is let through."""
        return self == Selection()

    @property
    def by_text(self) -> bool:
        """Whether the message itself has to be read."""
        return bool(self.author or self.subject or self.headers)

    @property
    def by_time_alone(self) -> bool:
        """Whether the time of writing decides, so that of a deleted message it can still be told."""
        return self == Selection(since_ms=self.since_ms)

    def fades(self, stamp_ms: int) -> int | None:
        """Return the moment (Unix milliseconds) from which a message of that time is too old, None if it never is."""
        return stamp_ms + self.max_age_s * 1000 + 1 if self.max_age_s else None

    def lets_through(self, facts: Facts, now_ms: int) -> bool:
        """Tell whether a message may travel at a moment (Unix milliseconds)."""
        if facts.stamp_ms < self.since_ms or 0 < facts.number <= self.after_number:
            return False
        fades = self.fades(facts.stamp_ms)
        if fades is not None and now_ms >= fades:
            return False
        if self.max_size and facts.size > self.max_size:
            return False
        if self.author and not (matches(facts.author, self.author) or matches(facts.address, self.author)):
            return False
        if self.subject and not matches(facts.subject, self.subject):
            return False
        return all(any(matches(value, wanted) for value in facts.header(name)) for name, wanted in self.headers)


def matches(text: str, pattern: str) -> bool:
    """Tell whether a text is of a pattern as the shell has them, whatever the case."""
    return fnmatchcase(text.strip().casefold(), pattern.casefold())
