"""IGNET's neighbors: ``node|secret|host|port``, one a line.

Source: the setting ``application/x-citadel-ignet-config`` of Citadel 980, as ``CONF GETSYS`` and MIGR exports show it.
"""

from typing import NamedTuple

from netconf.errors import NetconfError
from netconf.lines import NODE_NAME, Line, parse_lines


class Neighbor(NamedTuple):
    """A node IGNET exchanged with.  ``port`` is Citadel's own, where no mirror listens."""

    node: str
    secret: str
    host: str
    port: int


def read_neighbors(text: str) -> list[Neighbor]:
    """Return the neighbors in a setting; MIME headers before them are passed over.  Raises NetconfError."""
    _, separator, rest = text.partition("\n\n")
    body = rest if separator and "|" not in text.partition("\n")[0] else text
    return [_read(line) for line in parse_lines(body.encode("utf-8", "surrogateescape")) if line.kind]


def _read(line: Line) -> Neighbor:
    node, port = line.kind.lower(), line.field(3) or "504"
    if not NODE_NAME.fullmatch(node):
        raise NetconfError(
            line.number, "field 0 (node)", f"{line.kind!r} is no node name", "write node|secret|host|port"
        )
    if not line.field(2):
        raise NetconfError(line.number, "field 2 (host)", "it is empty", "write node|secret|host|port")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise NetconfError(line.number, "field 3 (port)", f"{port!r} is no port", "write a number from 1 to 65535")
    return Neighbor(node, line.field(1), line.field(2), int(port))
