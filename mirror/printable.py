"""Text of others made safe to show: on a terminal, and in a log of one line an event.

Names, subjects, texts, keys and what peers say may hold anything: escape sequences that write to the clipboard, line
ends that forge a line, marks that turn the order of what is read.  This is the one place that says what is shown of
them.  Knows nothing of where it is shown.
"""

import logging
import re

_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # control characters
    "\xad\u200b\u2060-\u2064\ufeff\U000e0000-\U000e007f"  # what nobody sees; joiners stay, for scripts that need them
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # what turns the order of reading
    "\u2028\u2029\ufff9-\ufffb"  # line and paragraph ends, annotations
    "\ud800-\udfff"  # bytes that are no text
    "]"
)


def one_line(text: str) -> str:
    """Return text as it is shown in one line; of what is not printed its number is shown, as ``\\x1b``."""
    return _UNSAFE.sub(_number, text)


def in_json(text: str) -> str:
    """Return a JSON document without a character that is not printed; it says the same.  Line ends of it stay."""
    return "\n".join(_UNSAFE.sub(_escape, line) for line in text.split("\n"))


def _number(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


class LineFormatter(logging.Formatter):
    """Writes an event in one line; the lines of a traceback below it are indented, so none looks like an event."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of an event, and those of its traceback."""
        record.message = record.getMessage()
        record.asctime = self.formatTime(record, self.datefmt)
        first = self.formatMessage(record)
        traceback = self.formatException(record.exc_info) if record.exc_info else ""
        return "\n".join([one_line(first), *(f"    {one_line(line)}" for line in traceback.splitlines())])
