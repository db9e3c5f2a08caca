"""A mail server that takes every mail and keeps to whom each goes: what a server sends out is counted there.

Speaks just as much of SMTP as a Citadel server does when it delivers.  Listens on this machine's loopback alone.
"""

import socketserver
from typing import NamedTuple

from try_live.loopback import Listening


class Mail(NamedTuple):
    """One mail as it was delivered: to whom, its bytes, and how the server called itself that did."""

    to: tuple[str, ...]
    data: bytes
    by: str

    @property
    def subject(self) -> str:
        lines = self.data.decode("utf-8", "replace").splitlines()
        return next((line[8:].strip() for line in lines if line.lower().startswith("subject:")), "")

    @property
    def word(self) -> str:
        """Return the last word of the subject."""
        return self.subject.rpartition(" ")[2]


class CatchAll(Listening):
    """Use it in a ``with``: it listens at ``port`` until the end."""

    def __init__(self, port: int = 0) -> None:
        """0 is any port."""
        self.mails: list[Mail] = []
        self._server = _Server(("127.0.0.1", port), _Session)
        self._server.catch_all = self

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    catch_all: CatchAll


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        recipients: list[str] = []
        by = ""
        self._say("220 catch-all")
        while line := self.rfile.readline():
            verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            if verb.upper() in ("HELO", "EHLO"):
                by = rest
            if verb.upper() == "RCPT":
                recipients.append(rest.partition("<")[2].partition(">")[0])
            if verb.upper() == "DATA":
                self._say("354 go on")
                self.server.catch_all.mails.append(Mail(tuple(recipients), self._data(), by))
                recipients = []
            self._say("221 bye" if verb.upper() == "QUIT" else "250 ok")

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")
