"""The lines that tell users digests, kept as they were sent: there may be tens of thousands, of which a few change."""

from collections import OrderedDict
from collections.abc import Mapping

from mirror.model.digest import Digest
from mirror.model.kinds import parse_collection
from mirror.service.rights import UserScope
from mirror.wire.answers import DigestLine, format_digest_line
from mirror.wire.lines import format_line

MAX_KEPT = 1_000_000
"""Lines that are kept at a time, some 250 bytes each; those of who asked longest ago are dropped first."""

_Lines = dict[str, tuple[Digest, bytes]]


class DigestLines:
    """Keeps lines by who was told them, for as long as the rights are the same."""

    def __init__(self, limit: int = MAX_KEPT) -> None:
        self._limit = limit
        self._kept: OrderedDict[tuple[str, str], tuple[UserScope, _Lines]] = OrderedDict()

    def forget(self, party: str) -> None:
        """Keep no lines of a party that is gone."""
        for asker in [asker for asker in self._kept if asker[0] == party]:
            del self._kept[asker]

    def of(self, asker: tuple[str, str], scope: UserScope, digests: Mapping[str, Digest]) -> bytes:
        """Return the lines of these digests; ``asker`` is who asks, within which view."""
        of_whom, held = self._kept.pop(asker, (scope, {}))
        if of_whom != scope:
            held = {}
        lines: _Lines = {}
        for name, digest in digests.items():
            line = held.get(name)
            lines[name] = line if line is not None and line[0] is digest else (digest, _line(scope, name, digest))
        self._kept[asker] = scope, lines
        size = sum(len(kept) for _, kept in self._kept.values())
        while size > self._limit and len(self._kept) > 1:
            size -= len(self._kept.popitem(last=False)[1][1])
        return b"".join([line for _, line in lines.values()])


def _line(scope: UserScope, name: str, digest: Digest) -> bytes:
    room = scope.name_of(parse_collection(name).room)
    return format_line(format_digest_line(DigestLine(name, digest, room)))
