"""Parts of an item as values: what each holds, and the edit that last changed it.  Knows nothing of texts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from mirror.model.cards import is_sure
from mirror.model.item import Rank, Told
from mirror.model.names import ANSWER, DEFAULT, KEPT, default_of, own_name


class Edit(NamedTuple):
    """When a part was written.  Greater is later."""

    rank: Rank
    stamp: int
    origin: str


NEVER = Edit(Rank(), 0, "")


class Part(NamedTuple):
    """What a part holds, None when it was taken out, and the edit that said so.

    ``under`` is the edit of what it was written under (names.context_of): it holds only while that is as it was.
    """

    edit: Edit
    holds: bytes | None
    under: Edit = NEVER


def order(name: str, part: Part) -> tuple[bool, Edit, bool, Edit, bytes]:
    """Return what decides between two versions of a part; greater wins."""
    there, own = part.holds is not None, own_name(name)
    if own.startswith(ANSWER):  # to what was asked last, and only then the last one
        return False, part.under, there, part.edit, part.holds or b""
    # What a time zone said is kept whoever took it out, since somebody else may need it.
    return there and own == KEPT, part.edit, there, part.under, part.holds or b""


@dataclass(frozen=True)
class Parts:
    """A version of an item as a function from names to parts; what is not named was last said by ``base``.

    ``texts`` is what the version's text shows, by names in its order: not always what the parts hold.  ``names`` tells
    which of them would be named otherwise by the text alone: names, or places, by those.
    ``fixed_base`` says what ``base`` does of the parts of a card that only its version knows how to write
    (cards.is_sure), where that is another edit.
    """

    kind: str
    base: Edit
    named: dict[str, Part]
    texts: dict[str, bytes] = field(default_factory=dict, compare=False)
    names: Mapping[str, str] = field(default_factory=dict, compare=False)
    told: Told = field(default=Told(), compare=False)
    fixed_base: Edit | None = None

    def get(self, name: str) -> Part:
        return self.named.get(name) or self.absent(name)

    def absent(self, name: str) -> Part:
        """Return the part of that name where nothing is said of it alone."""
        if self.has_defaults and (default := self.named.get(default_of(name))) is not None:
            return Part(default.edit, None)
        return Part(self.base if self.fixed_base is None or is_sure(name) else self.fixed_base, None)

    @property
    def fixed(self) -> Edit:
        """What stands for the parts of a card that are not named and that only its version knows how to write."""
        return self.base if self.fixed_base is None else self.fixed_base

    @cached_property
    def has_defaults(self) -> bool:
        """Tell whether something is said of lists as a whole."""
        return any(name.endswith(DEFAULT) for name in self.named)

    @property
    def latest(self) -> Edit:
        """The latest edit of all."""
        return max((part.edit for part in self.named.values()), default=self.base)
