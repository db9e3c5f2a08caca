"""Messages as they are sent to a server, and what a server makes of them: the same, as a recording of 980 shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_writable import taken

from mirror.formats.internet import can_be_sent, internet_message, is_returned, mail_file
from mirror.formats.message import FIXED, FLOWING, MIME, NORMAL, Message

HTML = b"Content-type: text/html; charset=utf-8\nX-Mailer: WebCit\n\n<b>hello</b>\n"


def message(text: bytes, form: int = MIME, anonymity: int = NORMAL, **more: bytes) -> Message:
    fields = {"I": b"a@alpha", "T": b"1700000000", "A": b"Ann", "F": b"ann@alpha", "U": b"s", **more}
    return Message(anonymity, form, [*fields.items(), ("M", text)])


def test_a_message_is_sent_with_its_fields_as_headers_and_its_own_headers_behind_them() -> None:
    sent = internet_message(message(HTML, W=b"r@x|q@x", R=b"a@b, c@d", Y=b"e@f", K=b"g@h"), "a@alpha")
    assert sent.decode().split("\r\n") == [
        "To: a@b, c@d", "Cc: e@f", "Reply-To: g@h", "Subject: s", "From: Ann <ann@alpha>",
        "Date: Tue, 14 Nov 2023 22:13:20 -0000", "Message-ID: <a@alpha>", "References: <r@x> <q@x>",
        "Content-type: text/html; charset=utf-8", "X-Mailer: WebCit", "", "<b>hello</b>", "",
    ]  # fmt: skip


def test_what_mail_gathered_on_its_way_is_not_sent() -> None:
    text = b"Received: from x\n\tby y\nReturn-Path: <a@b>\nContent-type: text/plain\n\n\nhello\n"
    assert internet_message(message(text), "a").endswith(b"Content-type: text/plain\r\n\r\nhello\r\n")


def test_no_field_can_begin_another_header() -> None:
    sent = internet_message(message(b"\nx\n", U=b"s\r\nBcc: eve@example.net", A=b"Ann\nX: y"), "a@alpha")
    head = sent.partition(b"\r\n\r\n")[0]
    assert not any(line.startswith((b"Bcc", b"X")) for line in head.split(b"\r\n"))


TEXTS = st.sampled_from([
    HTML, b"Content-type: text/plain\n\n\nby mail\n", b"\nno headers\n", b"Subject: in it\n\nbody\n",
    b"Content-type: x", b"Content-type: text/plain\r\n\r\nwith\r\nreturns\r\n", b"",
])  # fmt: skip
NAMES = st.sampled_from(["Ann", "O'Neil, Jr.", "Fay <Wray> & Co", "Zoë", 'say "hi"', "a  b", ""])


@given(TEXTS, st.sampled_from([FLOWING, FIXED, MIME]), NAMES, st.sampled_from([b"s", b"", b"=?UTF-8?Q?=C3=BC?="]))
def test_what_a_server_makes_of_a_message_is_taken_for_it_and_no_other_is(text, form, name, subject) -> None:
    held = message(text, form, A=name.encode(), U=subject)
    told = taken(internet_message(held, "a@alpha"))
    assert told.format == MIME
    assert is_returned(held, told)
    assert is_returned(told, held)
    other = Message(told.anonymity, MIME, [(one, value + b"x" if one == "M" else value) for one, value in told.fields])
    assert not is_returned(held, other)
    late = Message(told.anonymity, MIME, [(one, b"1700000001" if one == "T" else value) for one, value in told.fields])
    assert not is_returned(held, late)


def test_what_was_written_is_not_written_otherwise_the_second_time() -> None:
    once = taken(internet_message(message(b"flowing\n", FLOWING), "a@alpha"))
    again = taken(internet_message(once, "a@alpha"))
    assert once.get("M") == again.get("M")


@pytest.mark.parametrize("name", ["é@x", "a b@x", "<a@x>", "x" * 901])
def test_an_id_that_a_server_does_not_keep_is_named(name: str) -> None:
    assert can_be_sent(message(b""), name) == "its message id is none that a server keeps"
    assert can_be_sent(message(b""), "a@alpha") == ""


@pytest.mark.parametrize("anonymity", [66, 67])
def test_who_wrote_an_anonymous_message_is_not_told(anonymity: int) -> None:
    assert "anonymous" in can_be_sent(message(b"", anonymity=anonymity), "a@alpha")


def test_a_file_of_mail_has_all_headers_once_and_none_but_ascii() -> None:
    text = (
        b"Received: from x\n\tby y\nSubject: of the text\nX-Kept: 1\nTo: told@here\nContent-type: text/plain\n\nhello\n"
    )
    written = mail_file(message(text, U="Grüße".encode(), A="Zoë".encode()), "a@alpha")
    head, _, body = written.partition(b"\n\n")
    assert body == b"hello\n" and head.isascii() and b"\r" not in written
    lines = head.decode().split("\n")
    assert [line.partition(":")[0] for line in lines if line[:1].strip()] == [
        "Subject", "From", "Date", "Message-ID", "Received", "X-Kept", "To", "Content-type",
    ]  # fmt: skip
    assert lines[0] == "Subject: =?utf-8?b?R3LDvMOfZQ==?=" and "=?utf-8?q?Zo=C3=AB?= <ann@alpha>" in lines[1]


@pytest.mark.parametrize("anonymity", [66, 67])
def test_who_wrote_what_is_anonymous_is_not_in_a_file(anonymity: int) -> None:
    written = mail_file(message(HTML, anonymity=anonymity), "a@alpha")
    assert b"Ann" not in written and b"ann@alpha" not in written and b"From: anonymous\n" in written


def test_a_file_of_mail_begins_no_header_by_a_field() -> None:
    head = mail_file(message(b"\nx\n", U=b"s\r\nBcc: eve@example.net", A="Zoë\nX: y".encode()), "a").partition(b"\n\n")[
        0
    ]
    assert not any(line.startswith((b"Bcc", b"X")) for line in head.split(b"\n"))
