"""The text of a message: the same for one mail that came two ways, different for two messages."""

import msgspec
import pytest

from mirror.formats.message import FLOWING, MIME, serialize_message
from mirror.model.errors import BadRecord
from mirror.model.judge import judge
from mirror.model.merge import inline_body
from mirror.model.record import Record, pack_head
from mirror.model.texts import MAX_COMPARED, canonical_text, naming, own_text, standing_for, text_of

MAIL = b"From: a@x\r\nSubject: s\r\n\r\nReceived: is a word here\r\n"
TEXT = "0123456789abcdef"


def mail(head: bytes = b"", text: bytes = MAIL, format: int = MIME, **fields: str) -> bytes:
    told = [(letter, value.encode()) for letter, value in fields.items()]
    return serialize_message([("I", b"a@b"), *told, ("M", head + text)], format)


@pytest.mark.parametrize(
    "other",
    [
        mail(text=MAIL.replace(b"\r\n", b"\n")),
        mail(text=MAIL.replace(b"\r\n", b"\r\r\n")),
        mail(b"Received: from a\r\n\tby b\r\n id 1\r\nRECEIVED: again\r\n"),
        mail(b"Return-Path: <a@x>\r\nDelivered-To: b@y\r\nX-Spam-Score: 3\r\nX-Virus-Scanned: yes\r\n"),
        mail(b"Authentication-Results: y;\r\n spf=pass\r\nARC-Seal: i=1\r\n"),
        mail(P="x!y", V="b@y", O="Mail", N="alpha", H="Alpha"),
        serialize_message([("M", MAIL), ("I", b"a@b")], MIME, 0),
    ],
)
def test_what_servers_add_on_its_way_makes_no_other_message(other: bytes) -> None:
    assert canonical_text(other) == canonical_text(mail())


@pytest.mark.parametrize(
    "other",
    [
        mail(text=MAIL + b"more"),
        mail(b"X-Other: header\r\n"),
        mail(T="1"),
        mail(text=MAIL.replace(b"Received: is a word here\r\n", b"")),
        mail(b"Received: in a plain text\r\n", format=FLOWING),
    ],
)
def test_what_people_wrote_does(other: bytes) -> None:
    assert canonical_text(other) != canonical_text(mail())


def test_what_is_no_message_is_its_bytes_but_for_line_ends() -> None:
    assert canonical_text(b"a\r\nb\r") == b"a\nb\r"


def message(body: bytes = b"text", head: bytes = b"", key: str = "id:k", **more: object) -> Record:
    return Record("messages/r", key, 10, "a", 10, head=head, body=body, **more)  # type: ignore[arg-type]


def own(record: Record) -> str:
    return own_text(record, inline_body)


def test_a_large_body_is_its_own_name_and_is_not_read() -> None:
    large = message(b"", content=bytes(range(32)), size=MAX_COMPARED + 1)
    assert own(large) == bytes(range(8)).hex()


def test_a_head_names_a_text_just_where_nothing_else_tells_it() -> None:
    edited = standing_for(message(head=pack_head({"msg_msgnum": "7"})), TEXT, own)
    assert edited.head == pack_head({"msg_msgnum": "7", "text": TEXT})
    assert text_of(edited, own) == TEXT
    assert standing_for(edited, own(edited), own).head == pack_head({"msg_msgnum": "7"})
    filed = msgspec.structs.replace(edited, key=f"id:k#{TEXT}")
    assert standing_for(filed, TEXT, own).head == pack_head({"msg_msgnum": "7"})
    assert text_of(message(head=pack_head({"text": "no text"})), own) == own(message())


@pytest.mark.parametrize(
    ("record", "fits"),
    [
        (message(b"", naming(b"", TEXT), dead=True), True),
        (message(b"", dead=True), True),
        (message(b"", pack_head({"text": TEXT, "more": 1}), dead=True), False),
        (message(b"", pack_head({"text": ""}), dead=True), False),
        (message(b"", naming(b"", TEXT), f"id:k#{TEXT}", dead=True), False),
        (message(b"", naming(b"", TEXT), "euid:k", dead=True), False),
        (Record("rooms", "id:k", 10, "a", 10, dead=True, head=naming(b"", TEXT)), False),
    ],
)
def test_of_a_deletion_a_head_says_nothing_but_the_text(record: Record, fits: bool) -> None:
    if fits:
        judge(record)
    else:
        with pytest.raises(BadRecord, match="a tombstone has neither head nor body"):
            judge(record)


def test_a_flowing_text_is_the_same_wherever_its_lines_are_broken_and_a_fixed_one_is_not() -> None:
    def message(form: int, text: bytes) -> bytes:
        return b"\xffA" + bytes([form]) + b"Ix\0M" + text + b"\0"

    assert canonical_text(message(0, b"one two\nthree\n")) == canonical_text(message(0, b"one two three"))
    assert canonical_text(message(0, b"onetwo")) != canonical_text(message(0, b"one two"))
    for form in (1, 4):
        assert canonical_text(message(form, b"one two\n")) == canonical_text(message(form, b"one two"))
        assert canonical_text(message(form, b"one two\n")) != canonical_text(message(form, b"one\ntwo\n"))
