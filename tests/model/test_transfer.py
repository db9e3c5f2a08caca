"""Content transfer encodings: what was encoded is decoded, and encoded again as it was."""

import binascii
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.model.transfer import BASE64, QUOTED_PRINTABLE, Style, decode, encode, style_of

TEXTS = st.lists(st.text(alphabet="abc =\t;:é漢\r", max_size=90), min_size=2, max_size=5).map("\n".join).map(str.encode)
STYLES = st.builds(Style, st.integers(4, 90), st.sampled_from((b"\n", b"\r\n")), st.booleans())


@given(TEXTS, STYLES, st.sampled_from((QUOTED_PRINTABLE, BASE64, "8bit")))
def test_what_is_encoded_says_the_same(text: bytes, style: Style, encoding: str) -> None:
    assert decode(encoding, encode(encoding, style, text)) == text


@given(TEXTS, STYLES)
def test_other_programs_read_what_is_encoded(text: bytes, style: Style) -> None:
    assert quopri.decodestring(encode(QUOTED_PRINTABLE, style, text)) == text
    assert binascii.a2b_base64(encode(BASE64, style, text)) == text


@given(TEXTS)
def test_lines_of_quoted_printable_are_short_and_have_nothing_that_mail_loses(text: bytes) -> None:
    for line in encode(QUOTED_PRINTABLE, Style(76, b"\n"), text.replace(b"\r", b"")).split(b"\n"):
        assert len(line) <= 76
        assert line.rstrip(b" \t") == line
        assert line.isascii()


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("width", [60, 76])
@pytest.mark.parametrize("encoding", [QUOTED_PRINTABLE, BASE64])
@pytest.mark.parametrize("one_run", [False, True])
def test_the_style_of_a_text_is_seen(encoding: str, width: int, end: bytes, one_run: bool) -> None:
    text = (
        b"BEGIN:VCARD"
        + end
        + b"NOTE:"
        + "Ä text that has no line breaks and needs one, or even two. ".encode() * 3
        + end
    )
    if encoding == QUOTED_PRINTABLE and not one_run:
        width = 76  # of lines only the limit is known
    encoded = encode(encoding, Style(width, end, one_run), text)
    assert encode(encoding, style_of(encoding, encoded, b"?"), text) == encoded


def test_base64_in_one_line_stays_in_one_line() -> None:
    encoded = binascii.b2a_base64(b"x\n" * 100, newline=False)
    assert encode(BASE64, style_of(BASE64, encoded, b"\n"), b"x\n" * 200).count(b"\n") == 0


@pytest.mark.parametrize(("encoding", "data"), [("x-uuencode", b"#0V%T\n"), (BASE64, b"abcde")])
def test_what_cannot_be_decoded_is_left_alone(encoding: str, data: bytes) -> None:
    assert decode(encoding, data) is None


def test_quoted_printable_is_read_as_leniently_as_mail_programs_do() -> None:
    assert decode(QUOTED_PRINTABLE, b"a=3db =C3=A4=\r\n c=  \r\nd  \r\n=zz") == "a=b ä cd\r\n=zz".encode()


@given(st.text(alphabet="ab= \n", max_size=9).map(str.encode), STYLES, st.sampled_from((b"\n", b"\r\n")))
def test_line_breaks_around_a_text_are_no_line_breaks_around_what_is_encoded(
    text: bytes, style: Style, end: bytes
) -> None:
    """Those would be taken for what parts it from other texts of the message."""
    text = text.replace(b"\n", end)
    encoded = encode(QUOTED_PRINTABLE, style, text)
    assert encoded.strip(b"\r\n") == encoded
    assert decode(QUOTED_PRINTABLE, encoded) == text
