"""Lines in Citadel's style: commands with parameters split by ``|``, replies with three-digit codes."""

import enum
import re
from typing import NamedTuple

from mirror.wire.errors import ProtocolError


class Code(enum.IntEnum):
    """Reply codes.  The first digit says what follows, the other two why (as Citadel's own do)."""

    LISTING = 100
    OK = 200
    MORE = 300
    SEND_LISTING = 400
    SEND_THEN_READ = 800
    BINARY = 600
    ASYNC = 900
    INTERNAL = 510
    TOO_BIG = 511
    ILLEGAL = 512
    NOT_LOGGED_IN = 520
    UNKNOWN_COMMAND = 530
    PASSWORD = 540
    ALREADY_LOGGED_IN = 541
    USER_REQUIRED = 542
    ACCESS = 550
    TOO_MANY = 551
    BUSY = 552
    NOT_FOUND = 571
    TAKEN = 574
    CHANGED = 575
    STALE_CURSOR = 576
    OTHER_PROTOCOL = 577
    TWIN = 578
    NOT_YET = 579


class Reply(NamedTuple):
    """One reply line."""

    code: int
    text: str

    @property
    def kind(self) -> int:
        """The first digit: 1 listing follows, 2 ok, 3 more, 4 send a listing, 5 error, 8 both, 9 asynchronous."""
        return self.code // 100

    @property
    def parameters(self) -> list[str]:
        return self.text.split("|")


class Command(NamedTuple):
    """One command line: a verb of four letters and its parameters."""

    verb: str
    parameters: list[str]


END_OF_LISTING = b"000"
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{1,16}").fullmatch
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def decode_line(line: bytes) -> str:
    """Return a line as text.  Raises ProtocolError."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolError("a line is not UTF-8") from None


def parse_reply(line: bytes) -> Reply:
    """Read a reply line.  Raises ProtocolError."""
    text = decode_line(line)
    if len(text) < 3 or not (text[:3].isascii() and text[:3].isdigit()) or text[3:4] not in ("", " "):
        raise ProtocolError(f"{text[:60]!r} is no reply line (three digits, a space, text)")
    return Reply(int(text[:3]), text[4:])


def parse_command(line: bytes) -> Command:
    """Read a command line.  Raises ProtocolError."""
    verb, _, rest = decode_line(line).strip().partition(" ")
    return Command(verb.upper(), [part.strip() for part in rest.split("|")] if rest else [])


def parse_number(text: str, limit: int = (1 << 63) - 1) -> int | None:
    """Return a decimal number from 0 to ``limit``, or None for anything else (digits of other scripts too)."""
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > limit:
        return None
    return int(text)


def parse_hexadecimal(text: str, limit: int = (1 << 64) - 1) -> int | None:
    """Return a number of up to 16 hexadecimal digits from 0 to ``limit``, or None for anything else."""
    if not _HEXADECIMAL(text):
        return None
    number = int(text, 16)
    return number if number <= limit else None


def clean(text: str) -> str:
    """Return text that is safe inside one line: no line ends, no control characters."""
    return text if text.isprintable() else _CONTROL.sub(" ", text)


def format_reply(code: int, text: str) -> bytes:
    """Return a reply line with its newline."""
    return f"{int(code):03d} {clean(text)}\n".encode("utf-8", "replace")


def format_line(text: str) -> bytes:
    """Return a line with its newline."""
    return clean(text).encode("utf-8", "replace") + b"\n"
