"""A room's network configuration as lines: read, changed and written back without touching what is not understood.

Source: docs/netconf.md; the line types of Citadel 980 as recorded by ``GNET`` and in MIGR exports.  Bytes that are not
UTF-8, unknown lines, empty ones, line ends and their order all come out as they went in.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from netconf.errors import NetconfError

MAX_BYTES = 64 * 1024
"""Bytes in one room's configuration at most."""
NODE_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?")
IGNET_SHARE = "ignet_push_share"
MIRROR_SHARE = "mirror_share"
LAST_SENT = "lastsent"
"""How far a server has sent a room's messages, by its own numbers."""


class Line(NamedTuple):
    """One line without its end; ``number`` counts from 1."""

    number: int
    text: str

    @property
    def fields(self) -> list[str]:
        return self.text.rstrip("\r").split("|")

    @property
    def kind(self) -> str:
        return self.fields[0].strip()

    def field(self, at: int) -> str:
        """Return a field, the kind being field 0; an empty one where there is none."""
        return self.fields[at].strip() if at < len(self.fields) else ""


def parse_lines(body: bytes) -> list[Line]:
    """Return the lines of a configuration, the empty one behind the last line end included."""
    text = body.decode("utf-8", "surrogateescape")
    return [Line(number, line) for number, line in enumerate(text.split("\n"), 1)]


def write_lines(lines: Sequence[Line]) -> bytes:
    """Return the configuration that consists of these lines; of what was read, the same bytes."""
    return "\n".join(line.text for line in lines).encode("utf-8", "surrogateescape")


def replace_lines(body: bytes, drops: Callable[[Line], bool], added: Sequence[str] = ()) -> bytes:
    """Return a configuration without the lines for which ``drops`` says so, and with others behind the rest."""
    kept = [line.text for line in parse_lines(body) if not line.kind or not drops(line)]
    tail = [kept.pop()] if kept and not kept[-1] else []
    return "\n".join([*kept, *added, *(tail or [""])]).encode("utf-8", "surrogateescape") if kept or added else b""


def _address(line: Line) -> None:
    if not line.field(1) or re.search(r"\s", line.field(1)):
        raise NetconfError(line.number, "field 1 (address)", f"{line.field(1)!r} is no address", "write user@host")


def _number(line: Line) -> None:
    if not re.fullmatch(r"\d{1,18}", line.field(1), re.ASCII):
        raise NetconfError(line.number, "field 1 (number)", f"{line.field(1)!r} is no number", "write decimal digits")


def _url(line: Line) -> None:
    if not re.match(r"[a-z]+://\S", line.field(1)):
        raise NetconfError(line.number, "field 1 (URL)", f"{line.field(1)!r} is no URL", "write http://host/path")


def _pop3(line: Line) -> None:
    for at, name in enumerate(("host", "user", "password"), 1):
        if not line.field(at):
            raise NetconfError(
                line.number, f"field {at} ({name})", "it is empty", "write pop3client|host|user|password|keep|interval"
            )
    for at, name in ((4, "keep"), (5, "interval")):
        if line.field(at) and not re.fullmatch(r"\d{1,9}", line.field(at), re.ASCII):
            raise NetconfError(
                line.number, f"field {at} ({name})", f"{line.field(at)!r} is no number", "write decimal digits"
            )


def _nothing(_line: Line) -> None:
    """What Citadel's own services keep here is not judged."""


CHECKS: dict[str, Callable[[Line], None]] = {
    LAST_SENT: _number,
    "listrecp": _address,
    "digestrecp": _address,
    "participate": _address,
    "rssclient": _url,
    "pop3client": _pop3,
    "subpending": _nothing,
    "unsubpending": _nothing,
    "roommailalias": _address,
}
"""Citadel's own line types and what is checked of them; the sharing lines are in netconf.rules."""
