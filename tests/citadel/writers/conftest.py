"""A made-up server for those modules that have none of their own."""

from collections.abc import Iterator

import pytest
from made_administered import AdministeredServer
from made_writable import written_into


@pytest.fixture
def server() -> Iterator[AdministeredServer]:
    server = AdministeredServer()
    server.user(2, "Ann", u_password="secret")
    server.room(1, "Lobby")
    server.room(2, "Talk")
    server.room(3, "0000000002.Mail", QRflags="16390")
    server.post(1, "one")
    with written_into(server):
        yield server
