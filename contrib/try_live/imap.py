"""What can be done to a server by IMAP alone: answered marks, and mail with an old date put into a folder.

All commands are sent at once, for the server keeps each of its lines back for a fifth of a second.
"""

import socket
import time

from try_live.errors import Refused
from try_live.session import AGAIN_S, TIMEOUT_S

_TURNED_AWAY = b"* BYE"


def converse(port: int, user: str, password: str, *commands: bytes) -> None:
    """Log in, do commands, log out.  Raises Refused where the server does not take one of them."""
    lines = [f'LOGIN "{user}" "{password}"'.encode(), *commands, b"LOGOUT"]
    sent = b"".join(b"a%d %b\r\n" % (number, line) for number, line in enumerate(lines))
    while (replies := _send(port, sent))[0].startswith(_TURNED_AWAY):
        time.sleep(AGAIN_S)  # it exports, and turns everybody away
    for number, line in enumerate(lines):
        told = [reply for reply in replies if reply.startswith(b"a%d " % number)]
        if not told or b" OK" not in told[0]:
            raise Refused(f"IMAP {line[:40]!r}: {told[0] if told else 'no reply'!r}")


def _send(port: int, sent: bytes) -> list[bytes]:
    with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection, connection.makefile("rb") as stream:
        try:
            connection.sendall(sent)
            return stream.read().split(b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return [_TURNED_AWAY]  # it may have said so, and hung up before it read what we sent


def literal(text: bytes) -> bytes:
    """Return a text as a literal, which is sent without waiting for leave."""
    return b"{%d}\r\n%b" % (len(text), text)
