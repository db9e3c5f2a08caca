"""The lines that tell users digests, kept as they were sent: there may be tens of thousands, of which a few change."""

from collections.abc import Mapping
from typing import NamedTuple

from mirror.model.digest import Digest
from mirror.service.rights import UserScope
from mirror.sync.by_asker import Asker, ByAsker
from mirror.wire.answers import digest_text
from mirror.wire.lines import format_line

MAX_KEPT = 1_000_000
"""Lines that are kept at a time, some 250 bytes each; those of who asked longest ago are dropped first."""


class _Kept(NamedTuple):
    """What a party was told: within which rights, of which digests, in which lines, these two by collections."""

    scope: UserScope
    digests: Mapping[str, Digest]
    lines: dict[str, bytes]


class DigestLines:
    """Keeps lines by who was told them, for as long as the rights are the same."""

    def __init__(self, limit: int = MAX_KEPT) -> None:
        self._kept = ByAsker[_Kept](limit, lambda kept: len(kept.lines))

    def forget(self, party: str) -> None:
        """Keep no lines of a party that is gone."""
        self._kept.forget(party)

    def of(self, asker: Asker, scope: UserScope, digests: Mapping[str, Digest]) -> bytes:
        """Return the lines of these digests."""
        held = self._kept.get(asker)
        if held is None or held.scope != scope:
            held = self._of_another(scope)
        of, told, name_of = held.digests.get, held.lines, scope.name_of
        lines = {
            name: told[name]
            if of(name) is digest
            else format_line(digest_text(name, digest, name_of(name.partition("/")[2])))
            for name, digest in digests.items()
        }
        self._kept.keep(asker, _Kept(scope, digests, lines))
        return b"".join(lines.values())

    def _of_another(self, scope: UserScope) -> _Kept:
        """Return what was told last within rights in which rooms have the same names; nothing if there is none."""
        others = (kept for kept in reversed(self._kept.values()) if scope.names_as(kept.scope))
        return next(others, _Kept(scope, {}, {}))
