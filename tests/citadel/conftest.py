"""A scripted Citadel server, at both its doors; a node that follows a module's made-up one; a pair of made-up ones."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_followed import with_configuration
from made_follower import Follower
from made_live import LiveServer, listening
from made_pair import Pair, a_pair
from recorded_server import Recording, accept_one

from mirror.addresses import Address
from mirror.citadel.bootstrap import ADMIN_SOCKET
from mirror.peer.channel import Channel, connect
from mirror.store.base import Store
from mirror.store.sqlite.store import SqliteStore


@pytest.fixture
def recording(export: Path) -> Recording:
    """What the scripted server answers, and what it was asked."""
    names = ("17-admin-socket-read.txt", "01-connect-and-login.txt", "07-files-and-pictures.txt")
    return Recording(export.read_bytes(), *names)


@pytest.fixture
def listen(recording: Recording) -> Iterator[Callable[..., Address]]:
    """Has the scripted server wait for one connection, which it cuts after some bytes if told so."""
    listening = socket.create_server(("127.0.0.1", 0))

    def start(cut_after: int | None = None) -> Address:
        accept_one(listening, recording, cut_after)
        return Address("127.0.0.1", listening.getsockname()[1])

    yield start
    listening.close()


@pytest.fixture
def admin_socket(tmp_path: Path) -> Iterator[socket.socket]:
    """The scripted server's administrator's socket, in a directory ``citadel``."""
    directory = tmp_path / "citadel"
    directory.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(directory / ADMIN_SOCKET))
        listening.listen(1)
        yield listening


@pytest.fixture
def listen_again(recording: Recording, admin_socket: socket.socket) -> Callable[[], None]:
    """Has the scripted server wait for one more connection at its administrator's socket."""
    return lambda: accept_one(admin_socket, recording)


@pytest.fixture
def server_directory(listen_again: Callable[[], None], tmp_path: Path) -> Path:
    """The directory of the scripted server, which waits at its administrator's socket for one connection."""
    listen_again()
    return tmp_path / "citadel"


@pytest.fixture
def server(listen: Callable[..., Address]) -> Iterator[Callable[..., Channel]]:
    """Starts the scripted server and connects to it."""
    channels: list[Channel] = []

    def start(cut_after: int | None = None) -> Channel:
        address = listen(cut_after)
        channels.append(connect(address.host, address.port, 20))
        return channels[-1]

    yield start
    for channel in channels:
        channel.close()


@pytest.fixture
def directory(server: LiveServer, tmp_path: Path) -> Iterator[Path]:
    """The directory of the made-up server that a module has as its ``server``, which answers all."""
    where = tmp_path / "citadel"
    where.mkdir()
    with listening(server, where) as directory:
        yield directory


@pytest.fixture
def configured(server: LiveServer) -> LiveServer:
    """The made-up server that a module has, with its rooms of configuration."""
    return with_configuration(server)


@pytest.fixture
def store(make_store: Callable[..., SqliteStore]) -> Store:
    """The store of a node that follows the made-up server."""
    return make_store("m")


@pytest.fixture
def follower(store: Store, directory: Path) -> Follower:
    """A node that follows the made-up server and writes into it."""
    return Follower(store, directory)


@pytest.fixture
def pair(make_store: Callable[..., SqliteStore], tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Two made-up servers that are kept equal by a node beside each; a parameter is Settings.export_s of these."""
    with a_pair(make_store, tmp_path, export_s=getattr(request, "param", 0.0)) as pair:
        yield pair
