"""Which of a room's lines act: mail what is posted, fetch feeds or mail, wait for a confirmation.

Where two servers have the same room, such a line is in force on one of them, or all is done twice.  Besides, a server
may be given lines that are known not to act; all other ones stay as they stand there: a later version may act on what
this one does not know.  A server takes a line's kind whatever its case is.
"""

from netconf.lines import LAST_SENT, Line, parse_lines, replace_lines, write_lines

LISTS = frozenset({"listrecp", "digestrecp", "participate"})
"""Lines by which what is posted in the room is mailed, or is by some server."""
DELIVERED = frozenset({"listrecp", "digestrecp"})
"""Lines for which version 980 mails it, to both in the same way; for all others it mails nothing."""
FETCHING = frozenset({"rssclient", "pop3client"})
"""Lines by which a server fetches what is put into the room."""
ACTING = LISTS | FETCHING | {"subpending", "unsubpending"}
PASSED_ON = frozenset({"roommailalias"})
"""Lines that are the same on all servers."""
_SECRETS = {"pop3client": 3}
"""By kinds of lines, the field that nobody is shown."""


def acts(line: Line) -> bool:
    """Tell whether a line has a server do something by itself."""
    return line.kind.lower() in ACTING


def acting_lines(body: bytes) -> list[str]:
    """Return the lines that act, in their order."""
    return [line.text for line in parse_lines(body) if acts(line)]


def mails(body: bytes) -> bool:
    """Tell whether what is posted in the room is mailed, or would be by some server."""
    return any(line.kind.lower() in LISTS for line in parse_lines(body))


def delivers(body: bytes) -> bool:
    """Tell whether a server mails what is posted in the room, and notes up to where it did."""
    return any(line.kind.lower() in DELIVERED for line in parse_lines(body))


def fetches(body: bytes) -> bool:
    """Tell whether a server fetches what is put into the room: a feed's entries, the mails of a mailbox."""
    return any(line.kind.lower() in FETCHING for line in parse_lines(body))


def beside(told: bytes, held: bytes) -> bytes:
    """Return what a room has whose lines act on another server: those that act are as held, all else as told."""
    return replace_lines(told, acts, acting_lines(held))


def as_written(there: bytes, held: bytes, *, dropped: frozenset[str] = frozenset()) -> bytes:
    """Return what a server is given that has ``there``: the lines that are the same everywhere as they are held.

    Of its own lines those that are ``dropped`` go, all others stay as they stand.
    """
    passed = [line.text.rstrip("\r") for line in parse_lines(held) if line.kind.lower() in PASSED_ON]
    now = [line.text.rstrip("\r") for line in parse_lines(there) if line.kind.lower() in PASSED_ON]
    goes = lambda line: line.text.rstrip("\r") in dropped or (passed != now and line.kind.lower() in PASSED_ON)  # noqa: E731
    return replace_lines(there, goes, passed if passed != now else [])


def sent_up_to(body: bytes, number: int) -> bytes:
    """Return a configuration that says first up to which message its server has mailed what was posted."""
    rest = [line for line in parse_lines(body) if line.kind.lower() != LAST_SENT]
    return write_lines([Line(0, f"{LAST_SENT}|{number}"), *rest])


def shown(line: str) -> str:
    """Return a line as people are shown it: without a password."""
    fields = line.split("|")
    at = _SECRETS.get(fields[0].strip().lower(), 0)
    return "|".join("..." if 0 < at == number else field for number, field in enumerate(fields))
