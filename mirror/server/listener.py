"""Accepting connections: TCP for peers and clients, a Unix socket for this machine's administrator."""

import errno
import logging
import os
from collections.abc import Callable
from typing import Any

import gevent
from gevent import socket
from gevent.pool import Group
from gevent.server import StreamServer

from mirror.addresses import Address
from mirror.config.files import ADMIN_SOCKET
from mirror.model.errors import MirrorError
from mirror.peer.channel import Channel, ConnectionLost
from mirror.server.commands import TABLE
from mirror.server.descriptors import raise_limit
from mirror.server.doors import make_room
from mirror.server.node import Node
from mirror.server.session import Session
from mirror.service.party import ADMIN

log = logging.getLogger("mirror.listener")

TLS_TIMEOUT_S = 30
"""Seconds that a TLS handshake may take."""


class ListenError(MirrorError):
    """An address that cannot be listened on."""

    exit_code = 13


class OutOfFiles(OSError):
    """This process has as many files open as it may: gevent tries again after a pause, and prints nothing of it."""


class Server(StreamServer):  # type: ignore[misc]
    """Accepts connections; what it has no file for is told to the log once an hour, not each time with a traceback."""

    def __init__(self, listening: Any, accept: Callable[[Any, Any], None], node: Node, **options: Any) -> None:
        super().__init__(listening, accept, **options)
        self._node = node
        hub = gevent.get_hub()
        if OutOfFiles not in hub.NOT_ERROR:
            hub.NOT_ERROR = (*hub.NOT_ERROR, OutOfFiles)

    def do_read(self) -> Any:
        try:
            return super().do_read()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._node.faults.tell(log, "listener", f"a connection waits: {error.strerror}")
            raise OutOfFiles(*error.args) from None


class Listener:
    """The node's doors."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._servers: list[StreamServer] = []
        self._sessions = Group()

    def open(self) -> None:
        """Listen on all configured addresses and the admin socket.  Raises ListenError."""
        self._node.max_users = raise_limit(self._node.config.listen.max_sessions)
        for address in self._node.config.listen.addresses:
            self._listen(address, self._accept)
        for address in self._node.config.listen.tls_addresses:
            self._listen(address, self._accept_tls)
        path = str(self._node.config.path(ADMIN_SOCKET))
        if os.path.exists(path):
            os.unlink(path)  # the store's lock is ours, so nobody is behind it
        server_socket = socket.socket(socket.AF_UNIX)
        mask = os.umask(0o177)
        try:
            server_socket.bind(path)
        except OSError as error:
            raise ListenError(f"the admin socket {path} cannot be made: {error}") from None
        finally:
            os.umask(mask)
        server_socket.listen(64)
        self._start(Server(server_socket, self._accept_admin, self._node))

    def _listen(self, address: Address, accept: Callable[[Any, Any], None]) -> None:
        server = Server((address.host, address.port), accept, self._node, backlog=256)
        try:
            server.start()
        except OSError as error:
            raise ListenError(f"{address} cannot be listened on: {error.strerror}") from None
        self._servers.append(server)
        self._node.addresses.append(str(Address(address.host, server.server_port)))

    def _start(self, server: StreamServer) -> None:
        server.start()
        self._servers.append(server)

    def _accept_tls(self, connection: Any, address: Any) -> None:
        self._accept(connection, address, secure=True)

    def _accept(self, connection: Any, address: Any, secure: bool = False) -> None:
        try:
            self._greet(connection, str(address[0]), int(address[1]), secure)
        except (MirrorError, OSError) as error:  # it was lost before anybody could be told of anything
            log.debug("%s: %s", address[0], error)
            connection.close()

    def _greet(self, connection: Any, host: str, port: int, secure: bool) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        local = Address(host, 0).loopback
        channel = Channel(connection, f"{host}:{port}", TLS_TIMEOUT_S)
        session = Session(self._node, channel, TABLE, local=local, host=host)
        left = make_room(self._node.sessions, session.network, self._node.max_users)
        if left is not None:
            self._node.faults.tell(log, "listener", f"too many connections without a log-in: one from {left.host} ends")
        self._serve(session, secure)

    def _accept_admin(self, connection: Any, _address: Any) -> None:
        self._serve(Session(self._node, Channel(connection, "admin"), TABLE, local=True, party=ADMIN))

    def _serve(self, session: Session, secure: bool = False) -> None:
        self._sessions.add(gevent.getcurrent())
        try:
            session.run(secure)
        except ConnectionLost as error:
            log.debug("%s", error)
        except Exception as error:  # nobody else is told of how a session ends
            what = f"a session ended with an unexpected {type(error).__name__}: {error}"
            self._node.faults.tell(log, "listener", what, logging.ERROR, error)

    def close(self) -> None:
        """Stop listening and end all sessions."""
        for server in self._servers:
            server.close()
        self._sessions.kill(timeout=2)
        path = self._node.config.path(ADMIN_SOCKET)
        path.unlink(missing_ok=True)
