"""A POP3 server on loopback with one mailbox, whose mails are added as a trial goes, and which tells who collected.

Speaks just as much of POP3 as a Citadel server does when it collects.  As RFC 1939 has it, what was deleted is gone
once the session has ended with QUIT, and stays otherwise.
"""

import socketserver
from collections.abc import Callable
from socket import socket

from try_live.loopback import Listening

_MAX_LINE = 1000


class PostOffice(Listening):
    """Use it in a ``with``: it listens at a port that the kernel chose until the end."""

    def __init__(self, who_calls: Callable[[socket], str]) -> None:
        self.asked: list[str] = []
        """Who logged in, one after another."""
        self.mails: dict[str, bytes] = {}
        """The mails that wait, by their unique ids."""
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._server.office, self._server.who_calls = self, who_calls

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def put(self, subject: str) -> None:
        """Have a mail wait."""
        name = subject.replace(" ", "-")
        lines = [
            *("From: Somebody Else <somebody@other.example.net>", "To: Ann <ann@mail.example.net>"),
            *(f"Subject: {subject}", "Date: Mon, 05 Jan 2026 12:00:00 +0000"),
            *(f"Message-ID: <{name}@other.example.net>", "", f"This is {subject}.", ""),
        ]
        self.mails[name] = "\r\n".join(lines).encode()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    office: PostOffice
    who_calls: Callable[[socket], str]


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        try:
            self._converse(self.server.office)
        except ConnectionError:
            return  # who hangs up leaves all as it was

    def _converse(self, office: PostOffice) -> None:
        names, gone = list(office.mails), set[str]()
        self._say("+OK post office")
        while line := self.rfile.readline(_MAX_LINE):
            verb, _, rest = line.decode("ascii", "replace").strip().partition(" ")
            if verb == "QUIT":
                for name in gone:
                    office.mails.pop(name, None)
                self._say("+OK")
                return
            if verb == "DELE":
                gone.add(names[int(rest) - 1])
            if not verb.isalpha():
                return  # a server tries TLS first
            self._answer(verb, rest, names)

    def _answer(self, verb: str, rest: str, names: list[str]) -> None:
        office = self.server.office
        if verb == "PASS":
            office.asked.append(self.server.who_calls(self.connection))
        if verb == "UIDL":
            self._say("+OK", *(f"{number} {name}" for number, name in enumerate(names, 1)), ".")
        elif verb == "RETR":
            self._say("+OK")
            self.wfile.write(office.mails[names[int(rest) - 1]] + b".\r\n")
        elif verb in ("USER", "PASS", "DELE"):
            self._say("+OK")
        else:
            self._say("-ERR")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())
