"""A buffer that bytes are put into as they arrive and lines and blocks are taken out of, without copies
that grow with the data and without ever holding more than the caller allows."""

from mirror.wire.errors import ProtocolError

MAX_LINE = 4096
"""Bytes in one line, its newline not counted."""


class Receiver:
    """Takes bytes in blocks; gives lines and exact lengths, or None while more is needed."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = self._searched_end = 0
        """Up to where there is no end of a line, and none of what ``take_until`` was to take."""

    def __len__(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Add what has arrived."""
        self._buffer += data

    def take_line(self, limit: int = MAX_LINE) -> bytes | None:
        """Return the next line without its end, or None.  Raises ProtocolError when it is too long."""
        end = self._buffer.find(b"\n", self._searched)
        length = end if end >= 0 else len(self._buffer)
        if length > limit + 1:
            raise ProtocolError(f"a line is longer than {limit} bytes")
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = self._searched_end = 0
        return line[:-1] if line.endswith(b"\r") else line

    def take_until(self, end: bytes, limit: int) -> bytes | None:
        """Return all before the next line that says ``end``, each line with its end; None where that is not there yet.

        Raises ProtocolError when there are more bytes than ``limit`` before it.
        """
        last = end + b"\n"
        at = self._begin_of_line(last)
        if (len(self._buffer) if at is None else at) > limit + len(last):
            raise ProtocolError(f"more than {limit} bytes came before a line that was to end them")
        if at is None:
            self._searched_end = len(self._buffer)
            return None
        block = bytes(self._buffer[:at])
        del self._buffer[: at + len(last)]
        self._searched = self._searched_end = 0
        return block

    def _begin_of_line(self, line: bytes) -> int | None:
        """Return where a line, with its end, begins for the first time; None where it is not there."""
        if self._buffer.startswith(line):
            return 0
        end = self._buffer.find(b"\n" + line, max(0, self._searched_end - len(line)))
        return end + 1 if end >= 0 else None

    def take(self, count: int) -> bytes | None:
        """Return exactly ``count`` bytes, or None."""
        if len(self._buffer) < count:
            return None
        block = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._searched = self._searched_end = 0
        return block
