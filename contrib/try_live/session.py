"""A session of Citadel's client protocol, as far as filling and changing a server needs it.

Deliberately not the mirror's own client: what that one gets wrong must not go unnoticed.
"""

import socket
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from try_live.errors import Refused, TrialFailed

TIMEOUT_S = 120.0
"""Seconds for which the server may be silent."""
AGAIN_S = 0.02
"""Seconds after which who was turned away comes again."""
PIPELINED = 20
"""Commands that are sent before their replies are read."""


class Reply(NamedTuple):
    """What a command gave: the first line without its code, taken apart at ``|``; a listing's lines; raw bytes."""

    code: int
    fields: list[str]
    lines: list[str]
    data: bytes = b""


class Post(NamedTuple):
    """One of a room's messages: its number on the server, and its subject."""

    number: int
    subject: str


class Asking(Protocol):
    """A session, as far as it is asked for what a room holds."""

    def go(self, room: str) -> None: ...

    def lines(self, command: str) -> list[str]: ...


def posts_in(session: Asking, room: str) -> list[Post]:
    """Return what is in a room, oldest first; the session is in that room then.  Raises Refused."""
    session.go(room)
    rows = [line.split("|") for line in session.lines("MSGS ALL|0|0|1") if line]
    return [Post(int(row[0]), row[5]) for row in rows]


class Session:
    """One connection to a server's Unix socket."""

    def __init__(self, path: Path, told: Callable[[str], None] | None = None) -> None:
        """``told`` is told of each command that is sent, but for passwords at a log-in."""
        self._told = told or (lambda _line: None)
        while not self._connect(path):
            time.sleep(AGAIN_S)

    def _connect(self, path: Path) -> bool:
        """Connect; tells whether we are let in, for a server turns everybody away while it exports."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(TIMEOUT_S)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rb")
        if self._file.readline().startswith(b"2"):
            return True
        self._file.close()
        self._socket.close()
        return False

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def log_in(self, name: str, password: str) -> None:
        """Log in.  Raises Refused."""
        self._told(f"USER {name}")
        self.ask(f"USER {name}", quiet=True)
        self.ask(f"PASS {password}", quiet=True)

    def ask(self, command: str, listing: Iterable[str] = (), data: bytes = b"", quiet: bool = False) -> Reply:
        """Send a command, with what it then wants, and return its reply.  Raises Refused where that is an error."""
        if not quiet:
            self._told(command)
        self._send(command)
        return self._finish(command, listing, data)

    def tell(self, command: str, listing: Iterable[str]) -> None:
        """Send a command that takes a listing and never says whether it was done, and wait until it is."""
        self.ask(command, listing)
        self.ask("NOOP")

    def ask_all(self, commands: Sequence[tuple[str, Sequence[str]]]) -> list[Reply]:
        """Send many commands, each with the listing that it takes, before reading their replies."""
        replies = []
        for start in range(0, len(commands), PIPELINED):
            some = commands[start : start + PIPELINED]
            self._socket.sendall(b"".join(_lines([command, *listing]) for command, listing in some))
            replies += [self._finish(command, None, b"") for command, _ in some]
        return replies

    def lines(self, command: str) -> list[str]:
        """Return the listing that a command gives.  Raises Refused."""
        return self.ask(command).lines

    def go(self, room: str) -> None:
        """Go to a room without leaving a trace of it.  Raises Refused."""
        self.ask(f"GOTO {room}||1")

    def close(self) -> None:
        """Say goodbye; a server that is gone already is no error."""
        try:
            self._send("QUIT")
            self._line()
        except (OSError, TrialFailed):
            pass
        self._file.close()
        self._socket.close()

    # -- lines ------------------------------------------------------------------------------------

    def _send(self, *lines: str) -> None:
        self._socket.sendall(_lines(lines))

    def _line(self) -> str:
        line = self._file.readline()
        if not line:
            raise TrialFailed("the server closed a connection: its log tells more (--keep DIR leaves it there)")
        return line.rstrip(b"\n").decode("utf-8", "surrogateescape")

    def _finish(self, command: str, listing: Iterable[str] | None, data: bytes) -> Reply:
        """Read a reply; a listing is sent where the server wants one, unless it is None because it was sent already."""
        first = self._line()
        code, fields = int(first[:3]), first[4:].split("|")
        kind = code // 100
        if kind == 5:
            raise Refused(f"{command[:60]!r}: {first}")
        if kind in (4, 8) and listing is not None:
            self._send(*listing, "000")
        if kind == 7:
            self._socket.sendall(data)
        raw = self._file.read(int(fields[0])) if kind == 6 else b""
        return Reply(code, fields, self._listing() if kind in (1, 8) else [], raw)

    def _listing(self) -> list[str]:
        lines = []
        while (line := self._line()).rstrip("\r") != "000":
            lines.append(line)
        return lines


def _lines(lines: Iterable[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode("utf-8", "surrogateescape")
