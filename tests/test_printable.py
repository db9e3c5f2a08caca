"""What is shown of others' text: everything readable, nothing that a terminal or a log obeys."""

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.printable import LineFormatter, in_json, one_line

HARMLESS = st.text().map(lambda text: text.replace("\n", ""))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Größe 東京 🙂 \u0646\u200c\u0645", "Größe 東京 🙂 \u0646\u200c\u0645"),
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("a\rb\nc\0\td", "a\\x0db\\x0ac\\x00\\x09d"),
        ("\x9b31m\x85", "\\x9b31m\\x85"),
        ("user\u202egpj.exe\u2066", "user\\u202egpj.exe\\u2066"),
        ("one\u2028two\u2029", "one\\u2028two\\u2029"),
        ("\udcff\U000e0041\xad", "\\udcff\\U000e0041\\xad"),
        ("[red]x[/y]", "[red]x[/y]"),
    ],
)
def test_what_is_not_printed_is_shown_by_its_number(text: str, shown: str) -> None:
    assert one_line(text) == shown


@given(st.text())
def test_json_says_the_same_and_holds_nothing_that_is_not_printed(text: str) -> None:
    document = in_json(json.dumps({"a": text}, ensure_ascii=False, indent=2))
    assert json.loads(document) == {"a": text}
    assert all(one_line(line) == line for line in document.split("\n"))


def logged(*arguments: object, exc_info: BaseException | None = None) -> list[str]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter("%(levelname)s %(name)s: %(message)s"))
    handler.emit(logging.LogRecord("mirror.x", 30, "", 0, "%s said %s", arguments, exc_info and (
        type(exc_info), exc_info, exc_info.__traceback__
    )))  # fmt: skip
    return stream.getvalue().splitlines()


def test_a_peers_words_forge_no_line_of_a_log() -> None:
    forged = "x\nINFO mirror.login: peer main logged in\x1b[2K"
    assert logged("beta", forged) == [
        "WARNING mirror.x: beta said x\\x0aINFO mirror.login: peer main logged in\\x1b[2K"
    ]


def test_nor_do_they_in_a_traceback() -> None:
    try:
        raise ValueError("no\nINFO mirror.login: forged")
    except ValueError as error:
        lines = logged("a", "b", exc_info=error)
    assert lines[0] == "WARNING mirror.x: a said b"
    assert all(line.startswith("    ") for line in lines[1:]) and "ValueError: no" in lines[-2]
