"""A client of a Citadel server's IMAP, as far as messages are written by it.  Recording 11-imap-append."""

import re
from collections.abc import Sequence

from mirror.addresses import Address
from mirror.citadel.client import LoginFailed
from mirror.formats.errors import CitadelError
from mirror.peer.channel import Channel, connect

_TIMEOUT_S = 90.0
_APPENDED = re.compile(rb"OK \[APPENDUID \d+ (\d+)\]")


class ImapClient:
    """One session of a user.  Raises ConnectionLost, LoginFailed, CitadelError."""

    def __init__(self, address: Address, user: str, password: str) -> None:
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

    def _send(self, command: bytes) -> bytes:
        self._tags += 1
        self._channel.send(b"%s %s\r\n" % (self._tag(), command))
        return self._tag()

    def _answer(self, tag: bytes) -> bytes:
        """Return what a command is answered with, without its tag; what comes before is left out."""
        while not (line := self._channel.require_line()).startswith(tag + b" "):
            if line.startswith(b"* BYE"):
                raise CitadelError(f"{self._channel.peer} says {line.decode('utf-8', 'replace')}")
        return line.removeprefix(tag + b" ")

    def _tag(self) -> bytes:
        return b"m%d" % self._tags

    def _require(self, line: bytes, begin: bytes) -> None:
        if not line.startswith(begin):
            self.close()
            raise CitadelError(f"{self._channel.peer} speaks no IMAP: {line[:100].decode('utf-8', 'replace')!r}")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
