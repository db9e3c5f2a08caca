"""One connection as lines, replies and batches; blocks the calling greenlet only.

Bytes are read and written in blocks.  A write that the other side does not take within the timeout ends
the connection: a peer that never reads costs its own link and nothing else.
"""

import json
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mirror.model.errors import MirrorError
from mirror.wire.batch import Batch, BatchReader, Marker, frame
from mirror.wire.errors import ProtocolError, Refused
from mirror.wire.lines import END_OF_LISTING, Reply, decode_line, format_line, parse_reply
from mirror.wire.receiver import MAX_LINE, Receiver

if TYPE_CHECKING:
    import ssl

    from gevent.event import Event

BLOCK = 256 * 1024
"""Bytes read from a connection at once."""
MAX_JSON_LINE = 64 * 1024 * 1024
"""Bytes in a line of JSON that our own node tells its administrator: one may hold all links, or all rooms' rules."""
_TCP_INFO = struct.Struct("56xI")
"""What Linux tells of a connection, up to how many milliseconds ago the last acknowledgement came."""
MAX_LISTING = 1_000_000
"""Lines in a listing of text at most."""


class ConnectionLost(MirrorError):
    """The connection ended, or was silent for too long."""

    exit_code = 6


class NotTrusted(MirrorError):
    """The other side's certificate is not the one expected."""

    exit_code = 7


class Channel:
    """Wraps a connected green socket."""

    def __init__(
        self,
        connection: Any,
        peer: str,
        timeout: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``peer`` names the other side in errors; ``timeout`` is in seconds of silence.

        ``clock`` returns seconds that only go forward.
        """
        self.socket = connection
        self.peer = peer
        self.sent = 0
        self.received = 0
        self.awaited: set[Event] = set()
        """Set as soon as anything is read."""
        self._clock = clock
        self._spoke = clock()
        self._receiver = Receiver()
        self.set_timeout(timeout)

    def set_timeout(self, seconds: float | None) -> None:
        """Set after how many seconds of silence the connection counts as lost."""
        self.timeout = seconds
        self.socket.settimeout(seconds)

    # -- bytes ------------------------------------------------------------------------------------

    def fill(self) -> bool:
        """Read what has arrived, waiting for it; returns False at the end.  Raises ConnectionLost."""
        try:
            data = self.socket.recv(BLOCK)
        except TimeoutError:
            raise ConnectionLost(f"{self.peer} was silent for {self.timeout:g} s") from None
        except (OSError, ValueError) as error:
            raise ConnectionLost(f"the connection to {self.peer} was lost: {error}") from None
        self.received += len(data)
        for event in self.awaited:
            event.set()
        self._receiver.feed(data)
        return bool(data)

    def send(self, data: bytes) -> None:
        """Send bytes.  Raises ConnectionLost."""
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise ConnectionLost(f"{self.peer} took nothing for {self.timeout:g} s") from None
        except (OSError, ValueError) as error:
            raise ConnectionLost(f"the connection to {self.peer} was lost: {error}") from None
        self.sent += len(data)
        self._spoke = self._clock()

    def probe(self, on: bool) -> None:
        """Have the kernel ask the other machine's each second whether it knows the connection, or no longer."""
        for option, value in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1)) if on else ():
            with suppress(OSError, ValueError):
                self.socket.setsockopt(socket.IPPROTO_TCP, option, value)
        with suppress(OSError, ValueError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(on))

    def reached_within(self, seconds: float) -> bool:
        """Tell whether the other machine's kernel has answered ours lately; no, where that cannot be told."""
        try:
            told = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        except (OSError, ValueError):
            return False
        return len(told) == _TCP_INFO.size and _TCP_INFO.unpack(told)[0] < seconds * 1000

    @property
    def quiet_s(self) -> float:
        """For how many seconds nothing was sent: whether a keepalive is due, whatever else has happened meanwhile."""
        return self._clock() - self._spoke

    def close(self) -> None:
        """Close the connection; further calls do nothing."""
        try:
            self.socket.close()
        except OSError:
            return  # it is gone already, which is what was wanted

    def hang_up(self) -> None:
        """End the connection under whoever uses it: both sides read its end at once, and the user closes it.

        A socket that is closed while another greenlet waits for it to become readable wakes neither.
        """
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except (OSError, ValueError):
            return  # it is gone already, which is what was wanted

    @property
    def pending(self) -> bool:
        """Whether bytes have arrived that were not taken yet."""
        return len(self._receiver) > 0

    def start_tls(self, context: "ssl.SSLContext", *, server: bool, hostname: str | None = None) -> None:
        """Go on encrypted.  Raises NotTrusted, ConnectionLost; what arrived in clear before is an error."""
        import ssl

        if self.pending:
            raise ProtocolError(f"{self.peer} sent more than STLS before TLS began")
        try:
            self.socket = context.wrap_socket(
                self.socket, server_side=server, server_hostname=hostname, do_handshake_on_connect=False
            )
            self.socket.do_handshake()
        except ssl.SSLCertVerificationError as error:
            raise NotTrusted(f"the certificate of {self.peer} is not trusted: {error.verify_message}") from None
        except (OSError, ValueError) as error:
            raise ConnectionLost(f"no TLS with {self.peer}: {error}") from None

    # -- lines ------------------------------------------------------------------------------------

    def read_line(self, limit: int = MAX_LINE) -> bytes | None:
        """Return the next line, or None at the end.  Raises ConnectionLost, ProtocolError."""
        while (line := self._receiver.take_line(limit)) is None:
            if not self.fill():
                return None
        return line

    def require_line(self, limit: int = MAX_LINE) -> bytes:
        """Return the next line.  Raises ConnectionLost also at the end."""
        line = self.read_line(limit)
        if line is None:
            raise ConnectionLost(f"{self.peer} closed the connection")
        return line

    def require_until(self, end: bytes, limit: int) -> bytes:
        """Return all before the next line that says ``end``.  Raises ConnectionLost also at the end, ProtocolError."""
        while (block := self._receiver.take_until(end, limit)) is None:
            if not self.fill():
                raise ConnectionLost(f"{self.peer} closed the connection")
        return block

    def require(self, count: int) -> bytes:
        """Return exactly ``count`` bytes.  Raises ConnectionLost."""
        while (block := self._receiver.take(count)) is None:
            if not self.fill():
                raise ConnectionLost(f"{self.peer} closed the connection")
        return block

    def read_reply(self) -> Reply:
        """Return the next reply, past asynchronous ones.  Raises Refused for an error reply."""
        while True:
            reply = parse_reply(self.require_line())
            if reply.kind == 5:
                raise Refused(reply.code, reply.text)
            if reply.kind != 9:
                return reply

    def ask(self, command: str, kind: int = 2) -> Reply:
        """Send a command and return its reply, which must be of the ``kind`` expected."""
        self.begin(command)
        return self.answer(command, kind)

    def begin(self, command: str) -> None:
        """Send a command whose reply is read by ``answer``, once something else was done."""
        self.send(format_line(command))

    def answer(self, command: str, kind: int) -> Reply:
        """Return the reply to a command that was sent before, which must be of the ``kind`` expected."""
        reply = self.read_reply()
        if reply.kind != kind:
            raise ProtocolError(f"{self.peer} answered {command.split('|')[0]!r} with {reply.code} {reply.text[:60]!r}")
        return reply

    def read_listing(self, limit: int = MAX_LINE) -> Iterator[str]:
        """Yield the lines of a text listing, each of at most ``limit`` bytes."""
        return map(decode_line, self.read_bytes_listing(limit))

    def read_bytes_listing(self, limit: int = MAX_LINE) -> Iterator[bytes]:
        """Yield the lines of a listing that need not be text, each of at most ``limit`` bytes."""
        for _ in range(MAX_LISTING):
            line = self.require_line(limit)
            if line == END_OF_LISTING:
                return
            yield line
        raise ProtocolError(f"{self.peer} sent a listing of over {MAX_LISTING} lines")

    def read_json_listing(self) -> list[Any]:
        """Read a reply and a listing of JSON lines.  Raises Refused."""
        if self.read_reply().kind != 1:
            raise ProtocolError(f"{self.peer} sent no listing where one was due")
        return [json.loads(line) for line in self.read_listing(MAX_JSON_LINE)]

    def iterate_blocks(self) -> Iterator[bytes]:
        """Yield a text listing as the blocks it arrives in, up to and with its ``000`` line."""
        tail = b"\n"
        while True:
            block = self._receiver.take(len(self._receiver)) if self.pending else b""
            if block:
                tail = (tail + block)[-6:]
                yield block
                if tail.replace(b"\r", b"").endswith(b"\n000\n"):
                    return
            if not self.fill():
                raise ConnectionLost(f"{self.peer} closed the connection in the middle of a listing")

    # -- batches ----------------------------------------------------------------------------------

    def read_batches(self) -> Iterator[Batch]:
        """Yield batches up to the line that ends their listing; who stops before that loses the connection."""
        reader = BatchReader(self._receiver)
        try:
            while (item := reader.next()) is not Marker.END_OF_LISTING:
                if isinstance(item, Batch):
                    yield item
                elif not self.fill():
                    raise ConnectionLost(f"{self.peer} closed the connection in the middle of a listing")
        except GeneratorExit:
            self.close()  # what is left of the listing would be taken for replies
            raise

    def send_batch(self, batch: Batch) -> None:
        """Send one batch, window by window."""
        for block in frame(batch):
            self.send(block)

    def send_batches(self, batches: Iterable[Batch]) -> None:
        """Send batches and end their listing."""
        for batch in batches:
            self.send_batch(batch)
        self.end_listing()

    def end_listing(self) -> None:
        self.send(END_OF_LISTING + b"\n")


def _sockets() -> Any:
    """Return the module of sockets: who waits for one is a green thread alone where there are green threads.

    A command that has none waits as a whole, and is done before they would be imported.
    """
    if not are_green():
        return socket
    from gevent import socket as green_socket

    return green_socket


def are_green() -> bool:
    """Tell whether this process has green threads, so that sockets are to be theirs."""
    return "gevent" in sys.modules


def connect(host: str, port: int, timeout: float) -> Channel:
    """Connect over TCP.  Raises ConnectionLost."""
    try:
        connection = _sockets().create_connection((host, port), timeout)
    except (OSError, UnicodeError) as error:
        raise ConnectionLost(f"{host}:{port} cannot be reached: {error}") from None
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Channel(connection, f"{host}:{port}", timeout)


def connect_unix(path: str, timeout: float | None = None) -> Channel:
    """Connect to a Unix socket.  Raises ConnectionLost."""
    connection = _sockets().socket(socket.AF_UNIX)
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        raise ConnectionLost(f"{path} cannot be reached: {error}") from None
    return Channel(connection, path, timeout)


def greeted(host: str, port: int, timeout: float, begin: Callable[[Channel], None]) -> Channel:
    """Connect over TCP, read the greeting, and do what is to be ``begin``; what that raises closes the connection."""
    channel = connect(host, port, timeout)
    try:
        channel.read_reply()
        begin(channel)
    except BaseException:
        channel.close()
        raise
    return channel
