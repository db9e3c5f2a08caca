"""What a command takes after its name: arguments with a type, so that nobody who runs it has to look at text.

The same specification says what HELP and the listings of SYNC show, and what an error says was expected.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from mirror.wire.codec import Cursor, parse_cursor
from mirror.wire.errors import ProtocolError, Refused
from mirror.wire.lines import Code, parse_hexadecimal, parse_number

MAX_NUMBER = (1 << 63) - 1
REQUIRED: Any = object()
"""The default of an argument that has none."""


class Argument(NamedTuple):
    """One argument: its name as it is documented, what reads it, and what is ``expected``, in words.

    ``parse`` raises ValueError or ProtocolError for anything else.  ``rest`` takes all that is left of the line.
    """

    name: str
    parse: Callable[[str], Any]
    expected: str
    default: Any = REQUIRED
    rest: bool = False

    @property
    def optional(self) -> bool:
        return self.default is not REQUIRED


def text(name: str, default: Any = REQUIRED) -> Argument:
    """A word or more, up to the next ``|``."""
    return Argument(name, _some_text, "not empty", default)


def rest(name: str, default: Any = REQUIRED) -> Argument:
    """All that is left of the line, with its ``|``; maybe nothing."""
    return Argument(name, str, "text", default, rest=True)


def words(name: str) -> Argument:
    """All that is left of the line, taken apart at its ``|``."""
    return Argument(name, lambda left: left.split("|"), "text", rest=True)


def number(name: str, least: int = 0, greatest: int = MAX_NUMBER, default: Any = REQUIRED) -> Argument:
    """A decimal number within bounds."""

    def parse(given: str) -> int:
        found = parse_number(given, greatest)
        if found is None or found < least:
            raise ValueError
        return found

    bounds = "a number" if greatest == MAX_NUMBER else f"a number from {least} to {greatest}"
    return Argument(name, parse, bounds, default)


def number_or(name: str, word: str, default: Any = REQUIRED) -> Argument:
    """A decimal number, or one word."""
    numbers = number(name)

    def parse(given: str) -> Any:
        return given if given == word else numbers.parse(given)

    return Argument(name, parse, f"a number or {word}", default)


def hexadecimal(name: str, default: Any = REQUIRED) -> Argument:
    """A number of 64 bits in hexadecimal digits."""

    def parse(given: str) -> int:
        found = parse_hexadecimal(given)
        if found is None:
            raise ValueError
        return found

    return Argument(name, parse, "up to 16 hexadecimal digits", default)


def sha_256(name: str, default: Any = REQUIRED) -> Argument:
    """The SHA-256 of a content, in hexadecimal digits."""

    def parse(given: str) -> bytes:
        if len(given) != 64:
            raise ValueError
        return bytes.fromhex(given)

    return Argument(name, parse, "64 hexadecimal digits", default)


def cursor(name: str, default: Cursor) -> Argument:
    """A place in a feed."""
    return Argument(name, parse_cursor, "epoch:sequence", default)


def one_of(name: str, choices: Collection[str], default: Any = REQUIRED) -> Argument:
    """One of some words."""

    def parse(given: str) -> str:
        if given not in choices:
            raise ValueError
        return given

    return Argument(name, parse, " or ".join(choices), default)


def _some_text(given: str) -> str:
    if not given:
        raise ValueError
    return given


def shown(arguments: Sequence[Argument]) -> str:
    """Return how arguments are documented: ``wait|expire``, ``[count|crc]``."""
    required = [argument.name for argument in arguments if not argument.optional]
    optional = "|".join(argument.name for argument in arguments if argument.optional)
    return "|".join([*required, f"[{optional}]"] if optional else required)


def parse_arguments(called: str, arguments: Sequence[Argument], given: Sequence[str]) -> list[Any]:
    """Return the arguments' values; more than are known are not looked at.

    Raises Refused, which begins with what was ``called``, up to its first argument, and with the arguments it takes
    (put into words here, since every command comes by), and says what was expected.
    """
    try:
        return [_value(argument, given[at:]) for at, argument in enumerate(arguments)]
    except _Unexpected as error:
        usage = f"{called}{shown(arguments)}".strip(" |")
        raise Refused(Code.ILLEGAL, f"{usage}: {error}") from None


class _Unexpected(Exception):
    """An argument is missing, or is not what is expected; says which."""


def _value(argument: Argument, left: Sequence[str]) -> Any:
    if not left and argument.optional:
        return argument.default
    if not left and not argument.rest:
        raise _Unexpected(f"{argument.name} is missing ({argument.expected})")
    taken = "|".join(left) if argument.rest else left[0]
    try:
        return argument.parse(taken)
    except (ValueError, ProtocolError):
        raise _Unexpected(f"{argument.name} is {argument.expected}, not {taken[:40]!r}") from None
