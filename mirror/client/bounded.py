"""What a node answers, never more of it in memory than was asked for: contents, and listings however long they are.

Knows no sockets, nor what the bytes are for.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import IO, TYPE_CHECKING

from mirror.model.errors import BadContent
from mirror.wire.batch import Batch, BatchReader, Marker, frame
from mirror.wire.errors import ProtocolError
from mirror.wire.lines import END_OF_LISTING
from mirror.wire.receiver import Receiver

if TYPE_CHECKING:
    from mirror.wire.values import ContentPart

IN_MEMORY = 8 * 1024 * 1024
"""Bytes of a listing that are held in memory; what is beyond waits in a file."""
HEADER_BYTES = 1024
"""Bytes that a batch counts for besides those of its payload."""
LARGEST_BODY = 512 * 1024 * 1024
"""Bytes of the largest body that is taken: it is in memory as a whole."""
_BLOCK = 256 * 1024


class Bodies:
    """Contents that come in parts, of those that were asked for; each is checked."""

    def __init__(self, sizes: dict[bytes, int], peer: str) -> None:
        """``sizes`` are the bytes of each content by its name; ``peer`` is named in errors.  Raises BadContent."""
        self._sizes = sizes
        self._peer = peer
        self._bodies = {content: bytearray() for content in sizes}
        for content, size in sizes.items():
            if size > LARGEST_BODY:
                raise BadContent(
                    content,
                    f"has {size:,} bytes at {peer}, and over {LARGEST_BODY:,} are not taken: "
                    "'max_size' in client.toml leaves such messages out",
                )

    def add(self, part: "ContentPart") -> None:
        """Take in a part.  Raises ProtocolError for one that nobody asked for."""
        body = self._bodies.get(part.content)
        if body is None:
            raise ProtocolError(f"{self._peer} sent a content that nobody asked for: {part.content.hex()}")
        if part.offset != len(body) or len(body) + len(part.data) > self._sizes[part.content]:
            raise ProtocolError(
                f"{self._peer} sent more of a content than was asked for: {len(part.data):,} bytes at {part.offset:,} "
                f"of {part.content.hex()}, which has {self._sizes[part.content]:,}"
            )
        body += part.data

    def taken(self) -> dict[bytes, bytes]:
        """Return the contents.  Raises BadContent for one that did not come as it is named."""
        import hashlib

        for content, body in self._bodies.items():
            if hashlib.sha256(body).digest() != content:
                raise BadContent(content, f"did not come whole from {self._peer}")
        return {content: bytes(body) for content, body in self._bodies.items()}


def at_rest(batches: Iterable[Batch]) -> Iterable[Batch]:
    """Return batches once all of them came, so that other questions may be asked while they are worked on.

    What has no room in memory waits in a file that has no name.  Raises OSError.
    """
    held: list[Batch] = []
    size = 0
    coming = iter(batches)
    for batch in coming:
        held.append(batch)
        size += len(batch.payload) + HEADER_BYTES
        if size > IN_MEMORY:
            return chain(held, _from_file(_to_file(coming)))
    return held


def _to_file(batches: Iterable[Batch]) -> IO[bytes]:
    import tempfile

    file = tempfile.TemporaryFile(prefix="ctdlmirror-")  # noqa: SIM115  closed once it was read, or nobody has it
    for batch in batches:
        file.writelines(frame(batch))
    file.write(END_OF_LISTING + b"\n")
    file.seek(0)
    return file


def _from_file(file: IO[bytes]) -> Iterator[Batch]:
    receiver = Receiver()
    reader = BatchReader(receiver)
    with file:
        while (item := reader.next()) is not Marker.END_OF_LISTING:
            if isinstance(item, Batch):
                yield item
            else:
                receiver.feed(file.read(_BLOCK))
