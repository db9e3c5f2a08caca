"""Arguments: what they are read as, and what is said of a wrong one."""

import pytest

from mirror.wire.arguments import (
    Argument,
    cursor,
    hexadecimal,
    number,
    number_or,
    one_of,
    parse_arguments,
    rest,
    sha_256,
    shown,
    text,
    words,
)
from mirror.wire.codec import Cursor
from mirror.wire.errors import Refused

HASH = "ab" * 32


@pytest.mark.parametrize(
    ("argument", "given", "value"),
    [
        (text("name"), ["Ann", "x"], "Ann"),
        (text("name", default=""), [], ""),
        (rest("text"), ["a", "b"], "a|b"),
        (rest("text"), [], ""),
        (rest("key", default=None), [], None),
        (rest("key", default=None), [""], ""),
        (words("type|action"), [], [""]),
        (words("type|action"), ["a", "", "b"], ["a", "", "b"]),
        (number("n"), ["5", "6"], 5),
        (number("n", default=20), [], 20),
        (number("n", 1, 9), ["9"], 9),
        (number_or("n or all", "all"), ["all"], "all"),
        (number_or("n or all", "all"), ["7"], 7),
        (hexadecimal("crc"), ["ffffffffffffffff"], (1 << 64) - 1),
        (hexadecimal("crc"), ["A"], 10),
        (sha_256("sha-256"), [HASH], bytes.fromhex(HASH)),
        (cursor("epoch:sequence", Cursor("", 0)), ["e:5"], Cursor("e", 5)),
        (cursor("epoch:sequence", Cursor("", 0)), [], Cursor("", 0)),
        (one_of("encoding", ("json", "msgpack")), ["json"], "json"),
    ],
)
def test_what_arguments_are_read_as(argument: Argument, given: list[str], value: object) -> None:
    assert parse_arguments("TEST ", [argument], given) == [value]


@pytest.mark.parametrize(
    ("argument", "given", "expected"),
    [
        (text("name"), [], "name is missing (not empty)"),
        (text("name"), [""], "name is not empty, not ''"),
        (number("n", 1, 1000), ["x"], "n is a number from 1 to 1000, not 'x'"),
        (number("n", 1, 1000), ["0"], "n is a number from 1 to 1000, not '0'"),
        (number("n", 1, 1000), ["1001"], "n is a number from 1 to 1000, not '1001'"),
        (number("n"), ["²"], "n is a number, not '²'"),
        (number("n"), ["99999999999999999999"], "n is a number, not '99999999999999999999'"),
        (number_or("n or all", "all"), ["some"], "n or all is a number or all, not 'some'"),
        (hexadecimal("crc"), ["1" * 17], f"crc is up to 16 hexadecimal digits, not '{'1' * 17}'"),
        (hexadecimal("crc"), ["1_0"], "crc is up to 16 hexadecimal digits, not '1_0'"),
        (hexadecimal("crc"), [""], "crc is up to 16 hexadecimal digits, not ''"),
        (sha_256("sha-256"), ["zz"], "sha-256 is 64 hexadecimal digits, not 'zz'"),
        (sha_256("sha-256"), ["z" * 64], f"sha-256 is 64 hexadecimal digits, not '{'z' * 40}'"),
        (cursor("from", Cursor("", 0)), ["x"], "from is epoch:sequence, not 'x'"),
        (one_of("encoding", ("json", "msgpack")), ["morse"], "encoding is json or msgpack, not 'morse'"),
        (one_of("mend", ("mend",), default=None), ["x"], "mend is mend, not 'x'"),
    ],
)
def test_what_was_expected_is_said(argument: Argument, given: list[str], expected: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_arguments("TEST ", [argument], given)
    assert (caught.value.code, caught.value.text) == (512, f"TEST {shown([argument])}: {expected}")


def test_how_arguments_are_shown() -> None:
    assert shown([]) == ""
    assert shown([number("wait"), number("expire")]) == "wait|expire"
    assert shown([number("count", default=None), hexadecimal("crc", default=None)]) == "[count|crc]"
    assert shown([text("name"), number("limit", default=5)]) == "name|[limit]"
