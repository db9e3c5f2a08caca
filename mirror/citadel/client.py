"""A client of a real Citadel server's own protocol, as far as a bootstrap needs it.  Recordings 01, 07, 08."""

from collections.abc import Iterator
from typing import NamedTuple

from mirror.formats.errors import CitadelError
from mirror.model.errors import MirrorError
from mirror.peer.channel import Channel
from mirror.wire.errors import Refused

READ_BYTES = 65_536
"""Bytes asked for at once; the server may send fewer."""
BANNERS = (
    "hello", "goodbye", "newuser", "register", "changepw", "roomaccess", "unlisted", "entermsg", "entopts",
    "mainmenu", "aideopt", "aide", "help", "roomaide", "nologin",
)  # fmt: skip
"""The system messages that a server may hold."""


class LoginFailed(CitadelError):
    """The server did not take the user name or password."""

    exit_code = 7


class RoomFile(NamedTuple):
    """A file in a room's directory (``size`` in bytes)."""

    name: str
    size: int
    type: str
    comment: str


class OpenFile(NamedTuple):
    """What the server says of a file it has opened (``mtime`` in Unix seconds)."""

    size: int
    mtime: int


class CitadelClient:
    """Speaks over a connected channel, whose greeting it reads."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        channel.read_reply()
        channel.ask("IDEN 0|8|100|citadel-mirror|")

    def log_in(self, user: str, password: str) -> None:
        """Log in.  Raises LoginFailed."""
        try:
            self.channel.ask(f"USER {user}", 3)
            reply = self.channel.ask(f"PASS {password}")
        except Refused as error:
            raise LoginFailed(f"{self.channel.peer} refused the log-in of {user!r}: {error.text}") from None
        level = reply.parameters[1] if len(reply.parameters) > 1 else ""
        if level != "6":
            raise LoginFailed(
                f"{user!r} is no administrator at {self.channel.peer} (access level {level}, 6 is needed)"
            )

    def export(self) -> Iterator[bytes]:
        """Yield the server's whole export in blocks, its last line included."""
        try:
            self.channel.ask("MIGR export", 1)
        except Refused as error:
            raise CitadelError(f"{self.channel.peer} refused the export: {error}") from None
        return self.channel.iterate_blocks()

    def enter_room(self, name: str, password: str = "") -> None:
        """Go to a room.  Raises Refused."""
        self.channel.ask(f"GOTO {name}|{password}")

    def list_files(self) -> list[RoomFile]:
        """Return the files of the present room.  Raises Refused where it has no directory."""
        self.channel.ask("RDIR", 1)
        files = []
        for line in self.channel.read_listing():
            name, size, kind, comment = (line.split("|", 3) + [""] * 3)[:4]
            files.append(RoomFile(name, int(size) if size.isdigit() else 0, kind, comment.removeprefix(" ")))
        return files

    def open_file(self, name: str) -> OpenFile:
        """Open a file of the present room for reading.  Raises Refused."""
        size, mtime = (self.channel.ask(f"OPEN {name}").parameters + ["0"] * 2)[:2]
        if not (size.isdigit() and mtime.isdigit()):
            raise CitadelError(f"{self.channel.peer} answered OPEN {name!r} with size {size!r}, time {mtime!r}")
        return OpenFile(int(size), int(mtime))

    def read_file(self, size: int) -> bytes:
        """Return the open file's bytes and close it.  Raises CitadelError when it ends too early."""
        blocks: list[bytes] = []
        offset = 0
        while offset < size:
            reply = self.channel.ask(f"READ {offset}|{min(READ_BYTES, size - offset)}", 6)
            count = int(reply.parameters[0]) if reply.parameters[0].isdigit() else 0
            if not 0 < count <= size - offset:
                raise CitadelError(f"{self.channel.peer} sent {count} bytes at {offset} of a file of {size}")
            blocks.append(self.channel.require(count))
            offset += count
        self.close_file()
        return b"".join(blocks)

    def close_file(self) -> None:
        self.channel.ask("CLOS")

    def banner(self, name: str) -> str | None:
        """Return a system message, or None where the server has none of that name."""
        try:
            self.channel.ask(f"MESG {name}", 1)
        except Refused:
            return None
        return "".join(line + "\n" for line in self.channel.read_listing())

    def quit(self) -> None:
        """Say goodbye; a server that is gone already is no error."""
        try:
            self.channel.ask("QUIT")
        except MirrorError:
            return
        finally:
            self.channel.close()
