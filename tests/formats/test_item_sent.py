"""How an item is sent to a server: through which folder it gets its id, or as it stands."""

import pytest

from mirror.formats.item_sent import CALENDAR, CONTACTS, NOTES, Entered, entered, folder_for, for_folder, why_not_kept
from mirror.formats.message import Message


def message(text: bytes, form: int = 4, **fields: bytes) -> Message:
    return Message(65, form, [*fields.items(), ("M", text)])


@pytest.mark.parametrize(
    ("head", "folder"),
    [
        (b"Content-type: text/calendar; charset=UTF-8", CALENDAR),
        (b"MIME-Version: 1.0\r\nContent-Type: TEXT/vCard", CONTACTS),
        (b"\nContent-type: text/x-vcard\nContent-transfer-encoding: 8bit", CONTACTS),
        (b"Content-type: text/vcard\nContent-transfer-encoding: base64", None),
        (b"Content-type: text/vnote", NOTES),
        (b"Content-type: text/html", None),
        (b"Content-type: multipart/mixed; boundary=text/calendar", None),
    ],
)
def test_an_item_gets_its_id_in_a_folder_for_such_items(head: bytes, folder: int | None) -> None:
    assert folder_for(message(head + b"\n\nBEGIN:VCARD\nEND:VCARD\n")) == folder


def test_a_card_that_a_server_would_spoil_is_entered_as_it_stands() -> None:
    assert folder_for(message(b"Content-type: text/vcard\n\nNOTE;ENCODING=QUOTED-PRINTABLE:a=\n b\n")) is None
    assert folder_for(message(b"Content-type: text/calendar\n\n", form=1)) is None


def test_lines_of_a_card_are_sent_whole() -> None:
    folded = message(b"Content-type: text/vcard;\n charset=UTF-8\n\nNOTE:a\r\n  b\n \tc\nTEL:1\n")
    assert for_folder(folded, CONTACTS).get("M") == b"Content-type: text/vcard;\n charset=UTF-8\n\nNOTE:a b\tc\nTEL:1\n"
    assert for_folder(folded, CALENDAR) is folded


def test_what_is_entered_says_its_id_author_subject_and_references() -> None:
    told = message(b"a\r\nb\n", 1, U=b"x | y\n", A=b"Zo\xc3\xab", W=b"r@b|q@b")
    assert entered(told, "page") == Entered("1||0|1|x y|Zoë|1|||page||r@b!q@b", b"a\nb")


def test_what_cannot_be_entered_is_told() -> None:
    assert entered(message(b"a\n000\n"), "page") == "its text has a line that ends it: 000"
    assert entered(message(b"a\n"), "p" * 121) == "its exclusive id is over 120 bytes"


@pytest.mark.parametrize("euid", ["", "a|b", "a\nb", "x" * 201])
def test_an_id_by_which_a_server_cannot_be_asked_is_told(euid: str) -> None:
    assert why_not_kept(euid).startswith("its exclusive id is none")
    assert why_not_kept("a b") == ""
