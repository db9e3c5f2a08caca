"""A mail folder that other programs change at the same time: what is seen, what is written, and what is left alone."""

import errno
import mailbox
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.client import mail_listing
from mirror.client.maildir import Maildir
from mirror.client.place import Changed, Found, Missing

MAIL = b"Subject: hello\n\nhello\n"
LONG_AGO = 1_700_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cur", "new", "tmp"):
        (tmp_path / "box" / name).mkdir(parents=True)
    return tmp_path / "box"


@pytest.fixture
def box(folder: Path) -> Maildir:
    return Maildir(folder)


def files(folder: Path) -> set[str]:
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


def marks(box: Maildir) -> dict[str, frozenset[str]]:
    return {found.name: found.marks for found in box.look()}


def put(folder: Path, name: str, data: bytes = MAIL) -> None:
    (folder / name).write_bytes(data)


def test_what_is_in_new_and_cur_is_listed_by_what_stays_of_its_name(folder: Path, box: Maildir) -> None:
    put(folder, "new/1.a.host")
    put(folder, "cur/2.b.host,S=22:2,FRS")
    put(folder, "cur/3.c.host:2,")
    put(folder, "tmp/4.d.host")
    put(folder, "cur/.hidden")
    (folder / "cur" / "directory").mkdir()
    assert marks(box) == {
        "1.a.host": frozenset(),
        "2.b.host,S=22": frozenset({"flagged", "answered", "seen"}),
        "3.c.host": frozenset(),
    }


def test_reading_gives_the_bytes_that_were_found_or_says_that_they_changed(folder: Path, box: Maildir) -> None:
    put(folder, "cur/1.a:2,")
    (found,) = box.look()
    assert box.read(found) == MAIL
    put(folder, "cur/1.a:2,", MAIL + b"more\n")
    with pytest.raises(Changed):
        box.read(found)
    (again,) = box.look()
    assert again.tag != found.tag
    os.rename(folder / "cur/1.a:2,", folder / "cur/1.a:2,S")
    with pytest.raises(Changed):
        box.read(again)


def test_what_is_created_is_seen_by_a_mail_program_once_it_is_settled_and_not_before(
    folder: Path, box: Maildir
) -> None:
    box.look()
    new = box.create("1.a", MAIL, seconds=LONG_AGO)
    read = box.create("2.b", MAIL, frozenset({"seen", "flagged"}))
    assert {name.partition("/")[0] for name in files(folder)} == {"tmp"}
    box.settle()
    assert files(folder) == {"new/1.a", "cur/2.b:2,FS"}
    assert (folder / "new/1.a").stat().st_mtime == LONG_AGO
    assert sorted(box.look()) == [new, read]
    theirs = mailbox.Maildir(folder, factory=None, create=False)
    assert sorted((one.get_flags(), one["Subject"]) for one in theirs) == [("", "hello"), ("FS", "hello")]


def test_what_a_client_that_was_killed_left_aside_is_taken_away_and_nothing_of_others(
    folder: Path, box: Maildir
) -> None:
    box.look()
    box.create("1.a", MAIL)
    put(folder, "tmp/2.of-another-program")
    assert Maildir(folder).look() == []
    assert files(folder) == {"tmp/2.of-another-program"}


def test_many_are_created_whole(folder: Path, box: Maildir) -> None:
    box.look()
    made = [box.create(f"{number}.a", MAIL * number) for number in range(1, 60)]
    box.settle()
    assert sorted(box.look()) == sorted(made)
    assert all(box.read(found) == MAIL * int(found.name.partition(".")[0]) for found in made)


def test_a_name_that_is_taken_is_left_alone_unless_it_holds_just_that(folder: Path, box: Maildir) -> None:
    put(folder, "cur/1.a:2,R", b"Subject: other\n\n")
    put(folder, "cur/2.b:2,R")
    (_, same) = sorted(box.look())
    assert box.create("1.a", MAIL).name == "1.a-2"
    assert box.create("1.a", MAIL + b"x").name == "1.a-3"
    assert box.create("2.b", MAIL, frozenset({"seen"})) == same
    box.settle()
    assert files(folder) == {"cur/1.a:2,R", "cur/2.b:2,R", "new/1.a-2", "new/1.a-3"}


def test_what_is_created_again_is_found_by_whatever_flags_it_has_by_now(folder: Path, box: Maildir) -> None:
    put(folder, "new/1.a")
    box.look()
    (folder / "new/1.a").rename(folder / "cur/1.a:2,F")
    assert box.create("1.a", MAIL).marks == {"flagged"}
    box.settle()
    assert files(folder) == {"cur/1.a:2,F"}


def test_marks_change_the_flags_and_leave_letters_that_nobody_explains(folder: Path, box: Maildir) -> None:
    put(folder, "new/1.a")
    put(folder, "cur/2.b:2,Sx")
    first, second = sorted(box.look())
    assert box.mark(first, frozenset()) == first
    assert files(folder) == {"new/1.a", "cur/2.b:2,Sx"}
    first = box.mark(first, frozenset({"seen"}))
    second = box.mark(second, frozenset({"answered"}))
    box.settle()
    assert files(folder) == {"cur/1.a:2,S", "cur/2.b:2,Rx"}
    assert sorted(box.look()) == [first, second]


def test_flags_that_a_program_changed_meanwhile_are_not_overwritten(folder: Path, box: Maildir) -> None:
    put(folder, "cur/1.a:2,")
    (found,) = box.look()
    os.rename(folder / "cur/1.a:2,", folder / "cur/1.a:2,F")
    for change in (lambda: box.mark(found, frozenset({"seen"})), lambda: box.delete(found)):
        with pytest.raises(Changed):
            change()
    assert files(folder) == {"cur/1.a:2,F"}


def test_keywords_are_letters_that_dovecots_file_explains(folder: Path, box: Maildir) -> None:
    (folder / "dovecot-keywords").write_text("0 $Label1\n3 Work\n")
    put(folder, "cur/1.a:2,Sad")
    (found,) = box.look()
    assert found.marks == {"seen", "$Label1", "Work"}
    box.mark(found, found.marks - {"Work"} | {"New"})
    box.settle()
    assert (folder / "cur/1.a:2,Sab").exists()
    assert (folder / "dovecot-keywords").read_text() == "0 $Label1\n1 New\n3 Work\n"
    assert "anything" in box.keeps and "seen" in box.keeps


def test_a_folder_keeps_as_many_keywords_as_there_are_letters(folder: Path, box: Maildir) -> None:
    (folder / "dovecot-keywords").write_text("".join(f"{number} k{number}\n" for number in range(26)))
    put(folder, "cur/1.a:2,")
    (found,) = box.look()
    assert "more" not in box.keeps and "k25" in box.keeps and len(list(box.keeps)) == len(box.keeps) == 32
    assert box.mark(found, frozenset({"k25", "more"})).marks == {"k25"}


def test_keywords_that_dovecot_is_writing_wait(folder: Path, box: Maildir) -> None:
    put(folder, "dovecot-keywords.lock", b"")
    put(folder, "cur/1.a:2,")
    (found,) = box.look()
    with pytest.raises(Changed, match=r"dovecot-keywords"):
        box.mark(found, frozenset({"New"}))
    assert files(folder) == {"dovecot-keywords.lock", "cur/1.a:2,"}


def test_other_bytes_come_in_place_of_those_that_were_found_and_no_others(folder: Path, box: Maildir) -> None:
    put(folder, "cur/1.a:2,S")
    os.utime(folder / "cur/1.a:2,S", (LONG_AGO, LONG_AGO))
    (found,) = box.look()
    replaced = box.replace(found, b"Subject: other\n\n")
    assert box.look() == [replaced] and box.read(replaced) == b"Subject: other\n\n"
    assert (folder / "cur/1.a:2,S").stat().st_mtime == LONG_AGO
    with pytest.raises(Changed):
        box.replace(found, b"x")
    assert files(folder) == {"cur/1.a:2,S"}


def test_what_is_deleted_is_gone_with_what_a_crash_left_of_it_but_not_another_message(
    folder: Path, box: Maildir
) -> None:
    put(folder, "new/1.a")
    put(folder, "cur/1.a:2,S")
    put(folder, "new/2.b", b"another\n")
    put(folder, "cur/2.b:2,S")
    first, second = sorted(box.look())
    assert first.marks == second.marks == {"seen"}
    box.delete(first)
    box.delete(second)
    box.delete(first)
    box.settle()
    assert files(folder) == {"new/2.b"}
    assert [found.name for found in box.look()] == ["2.b"]


@pytest.mark.parametrize("gone", ["cur", "new"])
def test_a_folder_without_its_directories_is_no_empty_one(folder: Path, box: Maildir, gone: str) -> None:
    (folder / gone).rmdir()
    for ask in (box.look, box.state):
        with pytest.raises(Missing):
            ask()


def test_a_folder_made_anew_is_another_one(folder: Path, box: Maildir) -> None:
    before = box.identity()
    folder.rename(folder.parent / "old")
    with pytest.raises(Missing):
        box.identity()
    (folder / "cur").mkdir(parents=True)
    assert box.identity() != before


def test_a_state_is_told_once_the_folder_rested_and_is_another_after_any_change(folder: Path, box: Maildir) -> None:
    def rested() -> str:
        for name in ("new", "cur", "dovecot-keywords"):
            if (folder / name).exists():
                status = (folder / name).stat()
                os.utime(folder / name, ns=(status.st_atime_ns, status.st_mtime_ns - 2_000_000_000))
        return box.state()

    assert box.state() == ""
    states = [rested()]
    put(folder, "new/1.a")
    states.append(rested())
    os.rename(folder / "new/1.a", folder / "cur/1.a:2,S")
    states.append(rested())
    (folder / "dovecot-keywords").write_text("0 x\n")
    states.append(rested())
    assert len(set(states)) == 4 and "" not in states
    assert box.state() == states[-1]


class _RenamedMeanwhile:
    """A listing of a directory during which another program renames a file: this one shows neither of its names."""

    def __init__(self, path: Path, entries: Iterator[os.DirEntry[str]]) -> None:
        names = list(entries)
        self._entries = [entry for entry in names if not entry.name.startswith("1.a")]
        if len(self._entries) < len(names):
            os.rename(path / "1.a:2,", path / "1.a:2,S")

    def __enter__(self) -> Iterator[os.DirEntry[str]]:
        return iter(self._entries)

    def __exit__(self, *_: object) -> None: ...


@pytest.mark.parametrize("times_stand", [False, True])
def test_a_message_that_is_renamed_while_it_is_looked_for_is_not_gone(
    folder: Path, box: Maildir, monkeypatch: pytest.MonkeyPatch, times_stand: bool
) -> None:
    """``times_stand``: in the same tick of the file system's clock as an earlier change."""
    put(folder, "cur/1.a:2,")
    put(folder, "cur/2.b:2,")
    for name in ("cur", "new"):
        os.utime(folder / name, (LONG_AGO, LONG_AGO))
    real, raced = os.scandir, []

    def scandir(path: Path) -> object:
        if path.name != "cur" or raced:
            return real(path)
        raced.append(path)
        with real(path) as entries:
            listed = _RenamedMeanwhile(path, entries)
        if times_stand:
            os.utime(path, ns=before)
        return listed

    if times_stand:  # the change before is just now, so a time that stands says nothing
        os.utime(folder / "cur")
    status = (folder / "cur").stat()
    before = (status.st_atime_ns, status.st_mtime_ns)
    monkeypatch.setattr(mail_listing.os, "scandir", scandir)
    assert marks(box) == {"1.a": frozenset({"seen"}), "2.b": frozenset()}
    assert raced


def test_listing_beside_a_program_that_renames_all_the_time_loses_nothing(folder: Path, box: Maildir) -> None:
    names = {f"{number}.a" for number in range(200)}
    for name in names:
        put(folder, f"cur/{name}:2,")
    stop = threading.Event()

    def rename() -> None:
        while not stop.is_set():
            for name in names:
                os.rename(folder / f"cur/{name}:2,", folder / f"cur/{name}:2,S")
                os.rename(folder / f"cur/{name}:2,S", folder / f"cur/{name}:2,")

    busy = threading.Thread(target=rename)
    busy.start()
    try:
        for _ in range(10):
            try:
                assert {found.name for found in box.look()} == names
            except Changed:
                continue
    finally:
        stop.set()
        busy.join()
    assert {found.name for found in box.look()} == names


def test_a_disk_that_is_full_leaves_the_folder_as_it_was(
    folder: Path, box: Maildir, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "cur/1.a:2,")
    before = box.look()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    box.create("2.b", MAIL)
    with pytest.raises(OSError, match="No space"):
        box.settle()
    monkeypatch.undo()
    assert Maildir(folder).look() == before


def test_a_message_found_in_no_listing_is_changed(box: Maildir) -> None:
    box.look()
    with pytest.raises(Changed):
        box.read(Found("1.a", "x"))
