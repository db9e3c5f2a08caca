"""A client of a real Citadel server's own protocol, as far as a bootstrap needs it.  Recordings 01, 07, 08."""

import binascii
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from mirror.formats.errors import CitadelError
from mirror.formats.server_own import netconf_setting
from mirror.model.errors import MirrorError
from mirror.peer.channel import Channel
from mirror.wire.errors import Refused

NO_SUCH_FILE = 571
ALREADY_MIGRATING = 552
READ_BYTES = 65_536
"""Bytes asked for at once; the server may send fewer."""
MAX_TOLD = 512 * 1024 * 1024
"""Bytes of a message at most, like an element of an export."""
END_OF_TOLD = b"citadel-mirror end of listing"


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
        self.logged_in = False
        self.commands = 0
        """How many were asked by ``ask_all``."""
        channel.read_reply()
        channel.ask("IDEN 0|8|100|citadel-mirror|")

    def log_in(self, user: str, password: str) -> None:
        """Log in as an administrator.  Raises LoginFailed."""
        level = self.log_in_as(user, password)
        if level != "6":
            raise LoginFailed(
                f"{user!r} is no administrator at {self.channel.peer} (access level {level}, 6 is needed)"
            )
        self.logged_in = True

    def log_in_as(self, user: str, password: str) -> str:
        """Log in as whomever, and return that user's level.  Raises LoginFailed."""
        try:
            self.channel.ask(f"USER {user}", 3)
            reply = self.channel.ask(f"PASS {password}")
        except Refused as error:
            raise LoginFailed(f"{self.channel.peer} refused the log-in of {user!r}: {error.text}") from None
        return reply.parameters[1] if len(reply.parameters) > 1 else ""

    def node_name(self) -> str:
        """Return the server's node name; nothing where it does not tell it."""
        try:
            self.channel.ask("INFO", 1)
        except Refused:
            return ""
        lines = [line.decode("utf-8", "replace") for line in self.channel.read_bytes_listing()]
        return lines[1].strip().lower() if len(lines) > 1 else ""

    def export(self) -> Iterator[bytes]:
        """Yield the server's whole export in blocks, its last line included."""
        try:
            self.channel.ask("MIGR export", 1)
        except Refused as error:
            raise CitadelError(f"{self.channel.peer} refused the export: {error}") from None
        return self.channel.iterate_blocks()

    def import_export(self, blocks: Iterable[bytes], patience_s: float) -> None:
        """Have the server replace all it has by an export, and wait until it has put that in order.

        ``patience_s`` is for how many seconds it may then be silent.  Raises CitadelError where it refuses.
        """
        try:
            self.channel.ask("MIGR import", 4)
        except Refused as error:
            told = f"{self.channel.peer} refused the import: {error}"
            if error.code == ALREADY_MIGRATING:
                told += " It is in the middle of an import that was cut: restart the server, and repeat"
            raise CitadelError(told) from None
        for block in blocks:
            self.channel.send(block)
        self.channel.send(b"000\n")
        self.channel.set_timeout(patience_s)
        self.channel.ask("NOOP")

    def settings(self) -> dict[str, str]:
        """Return the server's settings, its own among them."""
        self.channel.ask("CONF LISTVAL", 1)
        lines = [line.decode("utf-8", "replace") for line in self.channel.read_bytes_listing()]
        return dict(_halves(line) for line in lines)

    def setting(self, name: str) -> bytes | None:
        """Return one setting's value as it is, however long; None where it is not set."""
        try:
            return self._download(f"CONF LOADVAL|{name}")
        except Refused:
            return None

    def netconf(self, room: int) -> bytes:
        """Return a room's network configuration, by its number: ``GNET`` tells more than there is."""
        value = self.setting(netconf_setting(room))
        return binascii.a2b_base64(value) if value else b""

    def room_text(self) -> bytes:
        """Return the text about the present room, nothing where there is none."""
        return self._text("RINF") or b""

    def write_room_text(self, text: bytes) -> None:
        """Have the present room be described by a text, whose lines end in LF.  Raises Refused."""
        self._describe("EINF 1", text)

    def _describe(self, command: str, text: bytes) -> None:
        self.channel.ask(command, 4)
        lines = text.removesuffix(b"\n").split(b"\n")
        # A line that would end the listing has no other way in.
        self.channel.send(b"".join((b"000 " if line == b"000" else line) + b"\n" for line in lines) + b"000\n")
        self.channel.ask("NOOP")  # the server says nothing when it is done

    def write_rules(self, rules: Sequence[str]) -> None:
        """Have who is logged in have these inbox rules; what is in the inbox already counts as dealt with.

        Raises Refused.
        """
        self._describe("PIBR", "".join(f"{rule}\n" for rule in rules).encode("utf-8", "surrogateescape"))

    def write_netconf(self, lines: bytes) -> None:
        """Have the present room have these lines as its network configuration.  Raises Refused."""
        self._describe("SNET", lines)

    def write_room_picture(self, picture: bytes, kind: str) -> None:
        """Have the present room be shown by a picture of a MIME type.  Raises Refused."""
        self._upload(f"ULRI {len(picture)}|{kind}", picture)

    def write_user_picture(self, user: str, picture: bytes, kind: str) -> None:
        """Have a user be shown by a picture of a MIME type.  Raises Refused."""
        self._upload(f"ULUI {len(picture)}|{kind}|{user}", picture)

    def _upload(self, command: str, picture: bytes) -> None:
        self.channel.ask(command, 7)
        self.channel.send(picture)
        self.channel.ask("NOOP")  # the server says nothing when it is done

    def user_picture(self, user: str) -> bytes:
        """Return a user's picture.  Raises Refused where there is none."""
        return self._download(f"DLUI {user}")

    def bio(self, user: str) -> bytes:
        """Return a user's bio, nothing where there is none."""
        return self._text(f"RBIO {user}") or b""

    def write_bio(self, text: bytes) -> None:
        """Have the user who is logged in be described by a text, whose lines end in LF.  Raises Refused."""
        self._describe("EBIO", text)

    def forget_room(self) -> None:
        """Give back what access whoever is asking was given to the present room.  Raises Refused."""
        self.channel.ask("FORG")

    def tell(self, *commands: str) -> list[list[bytes] | None]:
        """Return the lines that each of some commands lists, None for one that is refused; all are sent at once.

        A line of a message may look like the end of a listing, so what ends it is the answer to another command.
        """
        return [_listing(answer) for answer in self.ask_all([command.encode() for command in commands])]

    def ask_all(self, commands: Sequence[bytes]) -> list[list[bytes]]:
        """Return the answers to some commands line by line; all are sent at once, so they must be few."""
        self.commands += len(commands)
        self.channel.send(b"".join(b"%s\nECHO %s\n" % (command, END_OF_TOLD) for command in commands))
        return [self._read_told() for _ in commands]

    def ask_briefly(self, commands: Sequence[bytes]) -> list[bytes]:
        """Return the answers to some commands that are answered in one line each; all are sent at once.

        Half of what ``ask_all`` costs the server.  Raises CitadelError where one was answered in more lines.
        """
        self.commands += len(commands)
        self.channel.send(b"".join(b"%s\n" % command for command in [*commands, b"ECHO " + END_OF_TOLD]))
        answers = [self.channel.require_line(MAX_TOLD) for _ in commands]
        if self.channel.require_line(MAX_TOLD) != b"200 " + END_OF_TOLD:
            raise CitadelError(
                f"{self.channel.peer} told more than one line in answer to one of {len(commands)} commands"
            )
        return answers

    def _read_told(self) -> list[bytes]:
        told = self.channel.require_until(b"200 " + END_OF_TOLD, MAX_TOLD)
        lines = told.split(b"\n")[:-1]
        return [line.removesuffix(b"\r") for line in lines] if b"\r" in told else lines

    def enter_message(self, arguments: str, text: bytes) -> int:
        """Enter a message into the present room by ``ENT0`` with a confirmation; returns its number, 0 if it has none.

        ``text`` has no line ``000``.  Raises Refused.
        """
        self.channel.ask(f"ENT0 {arguments}", 8)
        self.channel.send(text + b"\n000\n")
        number = next(iter(self.channel.read_bytes_listing(MAX_TOLD)), b"")
        return int(number) if number.isdigit() else 0

    def author(self, number: int) -> bytes:
        """Return who wrote a message of the present room, though it is shown as anonymous; nothing where it is gone."""
        self.channel.ask(f"MSGS GT|{number - 1}|0|8", 8)
        self.channel.send(b"from\n000\n")
        names = dict(line.partition(b"|")[::2] for line in self.channel.read_bytes_listing(MAX_TOLD))
        return names.get(str(number).encode(), b"")

    def enter_room(self, name: str, password: str = "") -> None:
        """Go to a room, as a passing visitor: without the last field an administrator has access to it for good.

        Raises Refused.
        """
        self.channel.ask(f"GOTO {name}|{password}|1")

    def list_files(self) -> list[RoomFile]:
        """Return the files of the present room.  Raises Refused where it has no directory.

        What is not UTF-8 in a line has U+FFFD in its place; a file whose name has it cannot be opened.
        """
        self.channel.ask("RDIR", 1)
        return [_room_file(line) for line in self.channel.read_bytes_listing()]

    def open_file(self, name: str) -> OpenFile:
        """Open a file of the present room for reading.  Raises Refused."""
        size, mtime = (self.channel.ask(f"OPEN {name}").parameters + ["0"] * 2)[:2]
        if not (size.isdigit() and mtime.isdigit()):
            raise CitadelError(f"{self.channel.peer} answered OPEN {name!r} with size {size!r}, time {mtime!r}")
        return OpenFile(int(size), int(mtime))

    def read_file(self, size: int) -> Iterator[bytes]:
        """Yield the open file's bytes and close it.  Raises Refused when it ends too early or cannot be read."""
        offset = 0
        try:
            while offset < size:
                block = self._read_block(offset, size)
                yield block
                offset += len(block)
        except Refused:
            self.close_file()  # only one file can be open
            raise
        self.close_file()

    def _read_block(self, offset: int, size: int) -> bytes:
        reply = self.channel.ask(f"READ {offset}|{min(READ_BYTES, size - offset)}", 6)
        count = int(reply.parameters[0]) if reply.parameters[0].isdecimal() else 0
        if count > size - offset:
            raise CitadelError(f"{self.channel.peer} sent {count} bytes at {offset} of a file of {size}")
        if not count:
            raise Refused(NO_SUCH_FILE, f"it ended at {offset} of {size} bytes, so it was changed meanwhile")
        return self.channel.require(count)

    def room_picture(self) -> bytes:
        """Return the present room's picture.  Raises Refused where it has none."""
        return self._download("DLRI")

    def _download(self, command: str) -> bytes:
        reply = self.channel.ask(command, 6)
        size = int(reply.parameters[0]) if reply.parameters[0].isdecimal() else 0
        if size > MAX_TOLD:
            raise CitadelError(f"{self.channel.peer} told something of over {MAX_TOLD} bytes")
        return self.channel.require(size)

    def close_file(self) -> None:
        self.channel.ask("CLOS")

    def directories(self) -> dict[str, str]:
        """Return the server's directories by what they are for, as it names them: from its own directory on."""
        try:
            self.channel.ask("MIGR listdirs", 1)
        except Refused:
            return {}
        return dict(_halves(line.decode("utf-8", "replace")) for line in self.channel.read_bytes_listing())

    def banner_names(self) -> list[str]:
        """Return the names of the system messages that there are.  Raises Refused."""
        self.channel.ask("MESG ?", 1)
        lines = [line.decode("utf-8", "replace") for line in self.channel.read_bytes_listing()]
        return [name for line in lines if (name := line.strip())]

    def banner(self, name: str) -> bytes | None:
        """Return a system message, or None where the server has none of that name."""
        return self._text(f"MESG {name}")

    def _text(self, command: str) -> bytes | None:
        """Return the lines that a command lists as one text, None where it is refused."""
        try:
            self.channel.ask(command, 1)
        except Refused:
            return None
        return b"".join(line + b"\n" for line in self.channel.read_bytes_listing())

    def quit(self) -> None:
        """Say goodbye; a server that is gone already is no error."""
        try:
            self.channel.ask("QUIT")
        except MirrorError:
            return
        finally:
            self.channel.close()


def _listing(answer: list[bytes]) -> list[bytes] | None:
    """Return the lines of a listing, None where an answer is none."""
    return answer[1:-1] if answer and answer[0].startswith(b"1") and answer[-1] == b"000" else None


def _room_file(line: bytes) -> RoomFile:
    name, size, kind, comment = (line.decode("utf-8", "replace").split("|", 3) + [""] * 3)[:4]
    return RoomFile(name, int(size) if size.isdecimal() else 0, kind, comment.removeprefix(" "))


def _halves(line: str) -> tuple[str, str]:
    name, _, value = line.partition("|")
    return name, value
