"""A client of a Citadel server's IMAP, as far as messages and marks are written by it.

Recordings 11-imap-append, 15c-imap-marks-of-a-user.
"""

import base64
import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from mirror.addresses import Address
from mirror.citadel.protocol.client import LoginFailed
from mirror.formats.errors import CitadelError
from mirror.peer.channel import Channel, connect

_TIMEOUT_S = 90.0
_APPENDED = re.compile(rb"OK \[APPENDUID \d+ (\d+)\]")
_FLAGS = re.compile(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\)")
_NOT_PLAIN = re.compile(r"[^\x20-\x7e]+")
_MAIL = "Mail"
NUMBERS_AT_ONCE = 200
"""Numbers or ranges of numbers in one command."""


class ImapClient:
    """One session of a user.  Raises ConnectionLost, LoginFailed, CitadelError."""

    def __init__(self, address: Address, user: str, password: str) -> None:
        self.address = address
        self._channel: Channel = connect(address.host, address.port, _TIMEOUT_S)
        self._tags = 0
        self._require(self._channel.require_line(), b"* OK")
        tag = self._send(f"LOGIN {_quoted(user)} {_quoted(password)}".encode())
        if not self._answer(tag).startswith(b"OK"):
            self.close()
            raise LoginFailed(f"{address} refused the log-in of {user!r} by IMAP")

    def close(self) -> None:
        self._channel.close()

    def make_folder(self, name: str) -> None:
        """Make a folder, unless it is there."""
        self._answer(self._send(f"CREATE {_quoted(name)}".encode()))

    def append(self, folder: str, messages: Sequence[bytes]) -> list[int]:
        """Put messages into a folder, all without waiting; returns their numbers, 0 for those that were refused."""
        begin = b"APPEND " + _quoted(folder).encode()
        tags = []
        data = []
        for message in messages:
            self._tags += 1
            tags.append(self._tag())
            data.append(b"%s %s {%d}\r\n%s\r\n" % (tags[-1], begin, len(message), message))
        self._channel.send(b"".join(data))
        answers = [_APPENDED.match(self._answer(tag)) for tag in tags]
        return [int(answer[1]) if answer else 0 for answer in answers]

    def select(self, folder: str) -> bool:
        """Go to a folder; tells whether it is one of this user's."""
        return self._answer(self._send(f"SELECT {_quoted(folder)}".encode())).startswith(b"OK")

    def flags(self, numbers: Collection[int] = ()) -> dict[int, set[bytes]]:
        """Return the flags of messages of the present folder, of all where none is named."""
        sets = _sets(numbers) if numbers else ["1:*"]
        found: dict[int, set[bytes]] = {}
        for tag in [self._send(f"UID FETCH {one} (FLAGS)".encode()) for one in sets]:
            lines: list[bytes] = []
            self._answer(tag, lines)
            found |= {int(told[1]): set(told[2].split()) for line in lines if (told := _FLAGS.match(line))}
        return found

    def store(self, numbers: Collection[int], flag: bytes, on: bool) -> None:
        """Set a flag of messages of the present folder, or take it away; all without waiting."""
        sign = "+" if on else "-"
        for tag in [
            self._send(f"UID STORE {one} {sign}FLAGS.SILENT ({flag.decode()})".encode()) for one in _sets(numbers)
        ]:
            self._answer(tag)

    def _send(self, command: bytes) -> bytes:
        self._tags += 1
        self._channel.send(b"%s %s\r\n" % (self._tag(), command))
        return self._tag()

    def _answer(self, tag: bytes, before: list[bytes] | None = None) -> bytes:
        """Return what a command is answered with, without its tag; what comes ``before`` is added to that, if given."""
        while not (line := self._channel.require_line()).startswith(tag + b" "):
            if line.startswith(b"* BYE"):
                raise CitadelError(f"{self._channel.peer} says {line.decode('utf-8', 'replace')}")
            if before is not None:
                before.append(line)
        return line.removeprefix(tag + b" ")

    def _tag(self) -> bytes:
        return b"m%d" % self._tags

    def _require(self, line: bytes, begin: bytes) -> None:
        if not line.startswith(begin):
            self.close()
            raise CitadelError(f"{self._channel.peer} speaks no IMAP: {line[:100].decode('utf-8', 'replace')!r}")


def folder_name(room: str, own: bool) -> str:
    """Return what a room is called by IMAP, by its name without a number in front: one's ``own``, or a public one."""
    name = _NOT_PLAIN.sub(_encoded, room.replace("&", "&-").replace("/", "|").replace("\\", "/"))
    if not own:
        return name
    return "INBOX" if room == _MAIL else f"INBOX/{name}"


def _encoded(found: re.Match[str]) -> str:
    """Return letters in modified UTF-7 (RFC 3501 section 5.1.3)."""
    data = base64.b64encode(found[0].encode("utf-16-be")).decode().rstrip("=")
    return f"&{data.replace('/', ',')}-"


def _sets(numbers: Iterable[int]) -> Iterator[str]:
    """Yield numbers as sets of a bounded length."""
    some: list[str] = []
    for number in sorted(numbers):
        some.append(str(number))
        if len(some) >= NUMBERS_AT_ONCE:
            yield ",".join(some)
            some = []
    if some:
        yield ",".join(some)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
