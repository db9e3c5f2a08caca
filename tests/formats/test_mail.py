"""Files of mail as messages, and back byte for byte; also what the server, and a room of others, makes of them."""

import email
import email.policy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made_writable import taken

from mirror.formats.errors import BadMessage
from mirror.formats.internet import as_server_keeps, internet_message, is_returned, mail_file
from mirror.formats.mail import MAIL_HEAD, compose_mail, fields_of_file, is_file, split_mail
from mirror.formats.message import MIME, Message, parse_message, serialize_message
from mirror.model.record import pack_head
from mirror.service.posting import signed
from mirror.service.rights import Author, Generation, Room
from mirror.service.rooms import RoomFacts

MAIL = (
    b"Return-Path: <bounce@list.example>\nReceived: from a\n\tby b; Mon, 1 Jan 2024 10:00:01 +0100\n"
    b"From: =?utf-8?q?Zo=C3=AB?= <zoe@x.example>\nTo: a@x.example,\n  b@x.example\nCc: c@x.example\n"
    b"Subject: =?utf-8?b?R3LDvMOfZQ==?=\nDate: Mon, 1 Jan 2024 10:00:00 +0100\nMessage-Id: <1@x.example>\n"
    b"X-Kept: 1\n\nhello\n"
)
HEADERS = [
    b"From: Ann <ann@x>",
    b'from:"Ann, B." <ann@x>',
    b"From: ann@x",
    b"FROM : <>",
    b"From: Z\xfcrich <z@x>",
    b"From: x\r\n y",
    b"Message-ID: <a b@c>",
    b"Message-ID:",
    b"message-id: \xc3\xa9@x",
    b"Message-ID: <" + b"x" * 1200 + b"@y>",
    b"Subject: =?utf-8?q?broken",
    b"Subject: =?no-such?q?x?=",
    b"Subject: =?utf-8?b?AA=?=",
    b"Subject: \xff\xfe",
    b"To: a@b,\n\tc@d",
    b"Date: 31 Feb 20000",
    b"Date: Mon, 1 Jan 2024 10:00:00 +9999",
    b"Date: 0",
    b"From ann@x Mon Jan  1 10:00:00 2024",
    b"no header",
    b"Cc: \xe2\x80\xa8",
    b": empty",
    b"",
    b"\r",
]
FILES = st.one_of(
    st.builds(
        lambda lines, end, body: end.join(lines) + end + end + body,
        st.lists(st.sampled_from(HEADERS), max_size=8),
        st.sampled_from([b"\n", b"\r\n", b"\r\r\n"]),
        st.binary(max_size=40),
    ),
    st.binary(max_size=60),
).filter(lambda data: b"\0" not in data and data.strip())
BOARD = Room(
    RoomFacts("alpha:9", "Board", 2, 0, 0, 0, Generation()), own=False, aide=False, writable=True, replies=True
)


def given_back(body: bytes) -> bytes:
    message = parse_message(body)
    return mail_file(message, message.text("I"), kept=True)


@given(FILES)
@example(b"\n\nx")
@example(b"From: x")
@example(b"Subject: a\n b\n\tc")
def test_a_file_is_given_back_byte_for_byte(data: bytes) -> None:
    made = compose_mail(data)
    assert made == compose_mail(data)
    assert given_back(made.body) == data
    assert parse_message(made.body).format == MIME and len(made.key.encode()) < 1024


@given(FILES, st.sampled_from(["Bob", "Zoë, B.", "a <b>"]), st.sampled_from([(), ("bob@node",)]))
def test_in_a_room_of_others_the_author_is_who_the_node_says_and_all_else_stays(data, name, addresses) -> None:
    made = compose_mail(data)
    body = signed(made.body, made.key, BOARD, Author(name, addresses))
    file = given_back(body)
    message = email.message_from_bytes(file, policy=email.policy.compat32)
    (author,) = message.get_all("From")
    assert addresses == () or "bob@node" in author
    kept = [line for line in data.split(b"\n") if line.startswith((b"To", b"Subject", b"Date", b"Cc", b"Message-ID"))]
    assert all(line in file.split(b"\n") for line in kept)
    assert file.endswith(split_mail(data).rest)


def test_the_fields_beside_a_file_are_what_its_headers_say() -> None:
    assert fields_of_file(MAIL) == [
        ("I", b"1@x.example"), ("T", b"1704099600"), ("A", "Zoë".encode()), ("F", b"zoe@x.example"),
        ("R", b"a@x.example, b@x.example"), ("U", "Grüße".encode()), ("Y", b"c@x.example"),
    ]  # fmt: skip
    made = compose_mail(MAIL)
    assert made.key == "id:1@x.example"
    assert parse_message(made.body).fields[-1] == ("M", MAIL)


def test_a_file_signed_in_a_room_of_others_says_so_in_its_one_author_and_keeps_its_zone() -> None:
    body = signed(compose_mail(MAIL).body, "id:1@x.example", BOARD, Author("Bob", ("bob@node",)))
    lines = given_back(body).split(b"\n")
    assert lines[0] == b"From: Bob <bob@node>"
    assert [*lines[1:]] == [line for line in MAIL.split(b"\n") if not line.startswith(b"From")]


def test_the_author_of_a_file_in_an_anonymous_room_is_not_told() -> None:
    message = parse_message(compose_mail(MAIL).body)
    file = mail_file(message._replace(anonymity=66), "1@x.example", kept=True)
    assert file.startswith(b"From: anonymous\n") and b"zoe" not in file and b"bounce" not in file


@pytest.mark.parametrize(
    ("header", "name", "address"),
    [
        (b"Ann Other <ann@x>", b"Ann Other", b"ann@x"), (b'"Other, Ann" <ann@x>', b"Other, Ann", b"ann@x"),
        (b"ann@x", b"ann", b"ann@x"), (b"<ann@x>", b"ann", b"ann@x"), (b"ann@x (Ann)", b"Ann", b"ann@x"),
        (b"Undisclosed", b"Undisclosed", b""), (b"=?iso-8859-1?q?Andr=E9?= <a@x>", "André".encode(), b"a@x"),
        (b'"=?utf-8?q?Zo=C3=AB?=" <z@x>', "Zoë".encode(), b"z@x"), (b"Z\xfcrich <z@x>", "Zürich".encode(), b"z@x"),
    ],
)  # fmt: skip
def test_who_wrote_a_file_is_told_by_name_and_address(header: bytes, name: bytes, address: bytes) -> None:
    fields = dict(fields_of_file(b"From: " + header + b"\n\nx\n"))
    assert (fields.get("A", b""), fields.get("F", b"")) == (name, address)


def test_a_file_without_a_message_id_has_one_of_its_own_by_what_it_says() -> None:
    one, same, other = (compose_mail(data).key for data in (b"Subject: a\n\nx", b"Subject: a\n\nx", b"Subject: a\n\ny"))
    assert one == same != other
    assert one.endswith("@by-content")


def test_a_file_without_a_date_is_of_when_it_came() -> None:
    assert dict(fields_of_file(b"Date: never\n\nx", 1_700_000_000))["T"] == b"1700000000"


@pytest.mark.parametrize(("data", "why"), [(b"Subject: x\n\na\0b", "byte 13"), (b"", "empty"), (b" \r\n", "empty")])
def test_what_no_message_can_be_is_refused_with_why(data: bytes, why: str) -> None:
    with pytest.raises(BadMessage, match=why):
        compose_mail(data)


def test_a_head_says_whether_a_message_is_a_file() -> None:
    assert is_file(MAIL_HEAD) and is_file(pack_head({"file": True, "text": "0123456789abcdef"}))
    assert (
        not is_file(b"") and not is_file(pack_head({"file": False})) and not is_file(pack_head({"msg_msgnum": "file"}))
    )


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=60),
    st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=80),
    st.sampled_from([0, 1]),
)
def test_what_a_server_made_is_a_file_that_mail_programs_read_and_always_the_same(subject, text, form) -> None:
    fields = [("I", b"1@alpha"), ("T", b"1700000000"), ("A", b"Ann"), ("F", b"ann@alpha")]
    body = serialize_message([*fields, ("U", subject.encode()), ("M", text.encode())], form)
    file = mail_file(parse_message(body), "1@alpha")
    assert file == mail_file(parse_message(body), "1@alpha")
    read = email.message_from_bytes(file, policy=email.policy.default)
    assert not read.defects and read["From"] == "Ann <ann@alpha>" and read["Message-ID"] == "<1@alpha>"
    assert read.get_payload(decode=True) == text.encode()


def test_a_message_whose_head_says_a_file_and_which_is_none_is_rendered_by_its_fields() -> None:
    message = Message(65, 1, [("I", b"1@alpha"), ("T", b"1"), ("A", b"Ann"), ("M", b"plain\n")])
    assert mail_file(message, "1@alpha", kept=True) == mail_file(message, "1@alpha")


# -- what a server keeps of a file ----------------------------------------------------------------------------

TOLD = (b"date", b"from", b"to", b"cc", b"subject", b"message-id", b"reply-to", b"references", b"list-id")


def held_of(data: bytes) -> Message:
    return parse_message(compose_mail(data, 1_700_000_000).body)


def header_names(text: bytes) -> list[bytes]:
    return [line.partition(b":")[0].strip().lower() for line in split_mail(text).head.splitlines() if line[:1].strip()]


@given(FILES)
@example(b"just text\nof two lines\n\nand more\n")
@example(b"just text")
@example(b"From ann@x Mon Jan  1 10:00:00 2024\nSubject: s\nX-Mine: y\n\nhello\n")
@example(b"From: a@b\nSubject: s")
@example(b"X-Last: a")
def test_in_a_servers_form_is_no_header_that_its_fields_tell_and_it_is_the_same_message(data: bytes) -> None:
    held = held_of(data)
    kept = as_server_keeps(held)
    assert not set(header_names(kept.get("M"))) & set(TOLD)
    assert is_returned(held, kept) and is_returned(kept, held)


def test_a_file_is_sent_with_each_header_once_and_answers_stay_answers() -> None:
    data = (
        MAIL.replace(b"X-Kept", b"References: <a@x>\n <b@x>\nIn-Reply-To: <b@x>\nReply-To: q@x\nX-Kept")
        .replace(b"\n", b"\r\n")
    )  # fmt: skip
    held = held_of(data)
    sent = internet_message(as_server_keeps(held), "1@x.example")
    names = header_names(sent)
    assert len(names) == len(set(names)) and names.count(b"references") == names.count(b"reply-to") == 1
    assert b"\r\nSubject: =?utf-8?b?R3LDvMOfZQ==?=\r\n" in sent and sent.endswith(b"\r\n\r\nhello\r\n")
    told = taken(sent)
    assert (told.get("W"), told.get("K"), told.get("R")) == (b"a@x|b@x", b"q@x", b"a@x.example, b@x.example")
    assert is_returned(held, told) and is_returned(told, held)
    answered = as_server_keeps(held._replace(fields=[("K", b"other@x"), *held.fields]))
    assert answered.get("K") == b"other@x" and b"reply-to" not in header_names(answered.get("M"))


def test_text_without_headers_is_sent_as_text() -> None:
    held = held_of(b"just text\nof two lines\n\nand more\n")
    sent = internet_message(as_server_keeps(held), held.text("I"))
    assert sent.partition(b"\r\n\r\n")[2] == b"just text\r\nof two lines\r\n\r\nand more\r\n"
    assert is_returned(held, taken(sent))
