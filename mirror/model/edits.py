"""Parts of an item as values: what each holds, and the edit that last changed it.  Knows nothing of texts."""

from dataclasses import dataclass, field
from typing import NamedTuple

from mirror.model.item import Rank


class Edit(NamedTuple):
    """When a part was written.  Greater is later."""

    rank: Rank
    stamp: int
    origin: str


class Part(NamedTuple):
    """What a part holds, None when it was taken out, and the edit that said so."""

    edit: Edit
    holds: bytes | None

    @property
    def order(self) -> tuple[Edit, bool, bytes]:
        return self.edit, self.holds is not None, self.holds or b""


@dataclass(frozen=True)
class Parts:
    """A version of an item as a function from names to parts; what is not named was last said by ``base``.

    ``texts`` is what the version's text shows, by names in its order: not always what the parts hold.
    """

    kind: str
    base: Edit
    named: dict[str, Part]
    texts: dict[str, bytes] = field(default_factory=dict, compare=False)

    def get(self, name: str) -> Part:
        return self.named.get(name) or Part(self.base, None)

    @property
    def latest(self) -> Edit:
        """The latest edit of all."""
        return max((part.edit for part in self.named.values()), default=self.base)
