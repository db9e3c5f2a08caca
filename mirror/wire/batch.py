"""Batches: how bulk data travels.  Header lines, windows of at most 65 535 bytes, an end line.

    Type=records
    Count=2
    Encoding=msgpack
    Crc=b2d3f0e9a5c48712
    Cursor=6f1d...:4711
    Size=67879
    DATA CHUNK 65535
    <65535 bytes>
    CHUNK 2344
    <2344 bytes>
    END

A listing of batches ends with the line ``000``.  One that cannot go on has a line ``5xx text`` in the place of a
batch, and ends after it.  This module frames payloads and knows nothing of what
is in them; mirror.wire.codec does.
"""

import enum
import re
from collections.abc import Iterator
from typing import NamedTuple

from mirror.wire.errors import ProtocolError, Refused
from mirror.wire.lines import END_OF_LISTING, decode_line, parse_reply
from mirror.wire.receiver import Receiver

WINDOW = 65_535
"""Bytes in one chunk at most."""
MAX_BATCH = 16 * 1024 * 1024
"""Bytes of payload in one batch at most."""
MAX_HEADERS = 32
END = b"END"
_breaks_off = re.compile(rb"5\d\d(?: |$)").match


class Batch(NamedTuple):
    """A payload and the header lines that describe it."""

    header: dict[str, str]
    payload: bytes


class Marker(enum.Enum):
    """What a reader returns besides batches."""

    NEED_DATA = "more bytes are needed"
    END_OF_LISTING = "the line 000"


def frame(batch: Batch) -> Iterator[bytes]:
    """Yield a batch's bytes: the header with the first window, then one block a window."""
    lines = [f"{name}={value}\n" for name, value in batch.header.items()]
    lines.append(f"Size={len(batch.payload)}\n")
    prefix = "".join(lines).encode()
    word = b"DATA CHUNK"
    view = memoryview(batch.payload)
    for start in range(0, len(view), WINDOW):
        window = view[start : start + WINDOW]
        yield b"%s%s %d\n%s" % (prefix, word, len(window), window)
        prefix, word = b"", b"CHUNK"
    yield prefix + END + b"\n"


class BatchReader:
    """Takes batches out of a receiver; a state machine that is asked again when more has arrived."""

    def __init__(self, receiver: Receiver, max_batch: int = MAX_BATCH) -> None:
        self._receiver = receiver
        self._max_batch = max_batch
        self._broken_off: Refused | None = None
        self._reset()

    def _reset(self) -> None:
        self._header: dict[str, str] = {}
        self._blocks: list[bytes] = []
        self._size: int | None = None
        self._received = 0
        self._pending = 0

    def next(self) -> Batch | Marker:
        """Return the next batch, or a marker.

        Raises ProtocolError, and where a listing that was broken off ends Refused.
        """
        while True:
            if self._pending:
                block = self._receiver.take(self._pending)
                if block is None:
                    return Marker.NEED_DATA
                self._blocks.append(block)
                self._received += self._pending
                self._pending = 0
            line = self._receiver.take_line()
            if line is None:
                return Marker.NEED_DATA
            if line == END_OF_LISTING and not self._header:
                return self._end()
            if self._broken_off is not None:
                raise ProtocolError(f"{decode_line(line)[:60]!r} where a listing that was broken off should have ended")
            if line == END:
                return self._finish()
            self._take_header(line)

    def _end(self) -> Marker:
        if self._broken_off is not None:
            raise self._broken_off
        return Marker.END_OF_LISTING

    def _take_header(self, line: bytes) -> None:
        if _breaks_off(line) and not self._header:
            self._broken_off = Refused(*parse_reply(line))
        elif line.startswith(b"DATA CHUNK ") and not self._blocks:
            self._begin()
            self._expect(line[11:])
        elif line.startswith(b"CHUNK ") and self._blocks:
            self._expect(line[6:])
        elif b"=" in line and not self._blocks:
            name, _, value = decode_line(line).partition("=")
            if len(self._header) >= MAX_HEADERS or name in self._header:
                raise ProtocolError(f"a batch has more than {MAX_HEADERS} header lines or {name[:40]!r} twice")
            self._header[name] = value
        else:
            raise ProtocolError(f"{decode_line(line)[:60]!r} where a batch's header, chunk or end was expected")

    def _begin(self) -> None:
        self._size = header_int(self._header, "Size", self._max_batch)

    def _expect(self, text: bytes) -> None:
        count = int(text) if text.isdigit() and len(text) < 6 else 0
        if not 0 < count <= WINDOW:
            raise ProtocolError(f"a chunk of {text[:20]!r} bytes (1 to {WINDOW} are allowed)")
        if self._size is None or self._received + count > self._size:
            raise ProtocolError("a batch's chunks are longer than its Size")
        self._pending = count

    def _finish(self) -> Batch:
        if self._size is None:
            self._begin()
        if self._received != self._size:
            raise ProtocolError(f"a batch of Size={self._size} ended after {self._received} bytes")
        batch = Batch(self._header, self._blocks[0] if len(self._blocks) == 1 else b"".join(self._blocks))
        self._reset()
        return batch


def header_int(header: dict[str, str], name: str, limit: int = 1 << 63) -> int:
    """Return a batch header's number.  Raises ProtocolError when it is missing, malformed or over ``limit``."""
    text = header.get(name, "")
    if not (text.isascii() and text.isdigit()) or len(text) > 20 or int(text) > limit:
        raise ProtocolError(f"batch header {name}={text[:40]!r}: a number up to {limit} was expected")
    return int(text)
