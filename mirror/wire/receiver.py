"""A buffer that bytes are put into as they arrive and lines and blocks are taken out of, without copies
that grow with the data and without ever holding more than the caller allows."""

from mirror.wire.errors import ProtocolError

MAX_LINE = 4096
"""Bytes in one line, its newline not counted."""


class Receiver:
    """Takes bytes in blocks; gives lines and exact lengths, or None while more is needed."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0

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
        self._searched = 0
        return line[:-1] if line.endswith(b"\r") else line

    def take(self, count: int) -> bytes | None:
        """Return exactly ``count`` bytes, or None."""
        if len(self._buffer) < count:
            return None
        block = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._searched = 0
        return block
