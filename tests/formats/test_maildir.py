"""Names of messages and folders in a Maildir, as other programs write and read them."""

import mailbox
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.file_names import MAX_BYTES
from mirror.formats.maildir import (
    FLAGS,
    file_name,
    flags_of,
    folder_name,
    format_keywords,
    maildir_folder,
    marks_of,
    message_name,
    parse_keywords,
    parse_name,
    with_keywords,
)

KEYWORDS = {"a": "$Label1", "b": "Work"}


@pytest.mark.parametrize(
    ("file", "unique", "flags"),
    [
        ("1.x.host", "1.x.host", ""), ("1.x.host:2,", "1.x.host", ""), ("1.x,S=20:2,SR", "1.x,S=20", "RS"),
        ("1.x:2,SS", "1.x", "S"), ("1.x:2,Sa", "1.x", "Sa"), ("1.x:2,S,W=3", "1.x", "S"), ("1.x:1,S", "1.x:1,S", ""),
    ],
)  # fmt: skip
def test_flags_stand_behind_what_stays_of_a_name(file: str, unique: str, flags: str) -> None:
    assert parse_name(file) == (unique, flags)


@given(st.sets(st.sampled_from([*FLAGS, "$Label1", "Work"])), st.text("DFPRSTabcz", max_size=6))
def test_marks_come_back_from_flags_and_letters_that_say_nothing_stay(marks: set[str], there: str) -> None:
    flags = flags_of(marks, KEYWORDS, there)
    assert marks_of(flags, KEYWORDS) == marks
    assert flags == "".join(sorted(set(flags))) and set(there) & set("cz") <= set(flags)
    assert parse_name(file_name("1.x", flags)) == ("1.x", flags)


def test_flags_are_those_that_pythons_maildir_knows(tmp_path: Path) -> None:
    box = mailbox.Maildir(tmp_path / "x")
    message = mailbox.MaildirMessage("Subject: x\n\nx\n")
    message.set_flags("".join(FLAGS.values()))
    message.set_subdir("cur")
    box.add(message)
    (file,) = (tmp_path / "x" / "cur").iterdir()
    assert marks_of(parse_name(file.name).flags, {}) == FLAGS.keys()


def test_keywords_are_read_as_dovecot_writes_them_and_given_letters_that_are_free() -> None:
    there = parse_keywords("0 $Label1\n2 Work\n26 beyond\nx\n3\n")
    assert there == {"a": "$Label1", "c": "Work"}
    more = with_keywords(there, ["Work", "New", "$MDNSent", "seen"])
    assert more == {"a": "$Label1", "c": "Work", "b": "$MDNSent", "d": "New"}
    assert parse_keywords(format_keywords(more)) == more
    full = with_keywords({}, [f"k{number}" for number in range(30)])
    assert len(full) == 26


def test_a_message_is_named_the_same_each_time() -> None:
    assert message_name("messages/alpha:1", "id:x", 5, "a/b") == message_name("messages/alpha:1", "id:x", 5, "a/b")
    assert "/" not in message_name("messages/alpha:1", "id:x", 5, "a/b")


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("Sent Items", ".Sent Items"),
        ("Work/2024", ".Work.2024"),
        ("a.b", ".a_b"),
        ("R&D", ".R&-D"),
        ("Entwürfe", ".Entw&APw-rfe"),
        ("Entwu\u0308rfe", ".Entw&APw-rfe"),
        ("台北", ".&U,BTFw-"),
        ("../..", ".__.__"),
        ("/", "._"),
    ],
)
def test_a_folder_is_named_as_mail_servers_name_it(name: str, folder: str) -> None:
    """The encoded ones are RFC 3501's own examples, but for the first."""
    assert maildir_folder(name) == folder


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (".Sent Items", "Sent Items"),
        (".Work.2024", "Work/2024"),
        (".R&-D", "R&D"),
        (".R&D", "R&D"),
        (".Entw&APw-rfe", "Entwürfe"),
        (".Entwürfe", "Entwürfe"),
        (".Entwu\u0308rfe", "Entwürfe"),
        (".&bogus", "&bogus"),
        (".&AAAA-", "&AAAA-"),
        ("..a", "a"),
    ],
)
def test_a_folder_that_was_made_by_whomever_has_a_name(folder: str, name: str) -> None:
    assert folder_name(folder) == name


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=400)


@given(NAMES)
def test_a_folder_has_the_name_that_it_was_made_from(name: str) -> None:
    directory = maildir_folder(name)
    assert directory.startswith(".") and "/" not in directory and directory.isascii() and len(directory) <= MAX_BYTES
    assert maildir_folder(unicodedata.normalize("NFD", name)) == directory
    parts = [part for part in unicodedata.normalize("NFC", name).split("/") if part.strip()]
    if "." not in name and "#" not in directory and parts:
        assert folder_name(directory) == "/".join(parts)


@given(NAMES, st.integers(200, 300))
def test_long_names_that_begin_alike_are_two_folders(name: str, more: int) -> None:
    assert maildir_folder(name + "x" * more) != maildir_folder(name + "x" * more + "y")
