"""Folders of a Maildir and a node's rooms: made, renamed, emptied, and not listed where nothing happened."""

import os
from collections.abc import Callable

import pytest
from mail_persons import MailMachine, mail, quiet

from mirror.client.maildir import Maildir

Make = Callable[..., MailMachine]


def test_rooms_are_folders_of_a_maildir(machine: Make) -> None:
    laptop = machine()
    laptop.sync()
    folders = {str(one.parent.relative_to(laptop.root)) for one in laptop.root.glob("**/cur")}
    assert folders == {".", ".Archive.2024", ".Board", ".News"}
    assert (laptop.root / ".Board/maildirfolder").exists() and not (laptop.root / "maildirfolder").exists()


def folders(machine: MailMachine) -> set[str]:
    return {str(one.parent.relative_to(machine.root)) for one in machine.root.glob("**/cur")}


def make_folder(machine: MailMachine, folder: str) -> None:
    for name in ("cur", "new", "tmp"):
        (machine.root / folder / name).mkdir(parents=True)


def test_a_folder_that_a_person_makes_is_a_room_everywhere(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    make_folder(laptop, ".Caf&AOk-.Menu")
    make_folder(laptop, ".Entwu\u0308rfe")  # as no program of mail names it, and decomposed
    laptop.put(".Caf&AOk-.Menu/cur/1.a:2,S", mail(1))
    laptop.sync()
    desk.sync()
    assert desk.mail() == laptop.mail() == {".Caf&AOk-.Menu": [("S", mail(1))]}
    assert folders(desk) == {".", ".Archive.2024", ".Board", ".News", ".Caf&AOk-.Menu", ".Entw&APw-rfe"}
    assert {room.name for room in laptop.connect().rooms().rooms} >= {"Café/Menu", "Entwürfe"}
    quiet(laptop, desk)
    laptop.forget()
    laptop.sync()
    assert len(laptop.connect().rooms().rooms) == 6


def test_a_folder_that_a_person_renames_is_renamed_everywhere(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    laptop.put(".Archive.2024/cur/1.a:2,S", mail(1))
    laptop.sync()
    desk.sync()
    laptop.move(".Archive.2024", ".Old mail")
    laptop.sync()
    desk.sync()
    assert desk.mail() == laptop.mail() == {".Old mail": [("S", mail(1))]}
    assert folders(desk) == folders(laptop) == {".", ".Old mail", ".Board", ".News"}
    quiet(laptop, desk)


def test_a_folder_of_a_room_of_others_may_be_renamed_here_alone(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    laptop.put(".Board/cur/1.a:2,S", mail(1))
    laptop.sync()
    laptop.move(".Board", ".Mine")
    laptop.put(".Mine/cur/2.b:2,F", mail(2))
    assert laptop.sync().problems == []
    desk.sync()
    assert desk.mail()[".Board"] == laptop.mail()[".Mine"] and len(desk.mail()[".Board"]) == 2
    quiet(laptop, desk)


def test_a_folder_is_made_no_room_where_the_pair_does_not_want_it(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, _ = both
    make_folder(laptop, ".Private")
    laptop.sync(direction="pull")
    laptop.sync(wants=lambda room: room.view == 1 and room.name != "Private")
    assert len(laptop.connect().rooms().rooms) == 4


def test_an_emptied_folder_waits_for_a_word(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    for number in range(4):
        laptop.put(f"new/{number}.a", mail(number))
    laptop.sync()
    desk.sync()
    for file in (laptop.root / "new").iterdir():
        file.unlink()
    assert laptop.sync().held == {".": 4}
    desk.sync()
    assert len(desk.mail()["."]) == 4
    laptop.sync(accept_deletions=True)
    desk.sync()
    assert desk.mail() == laptop.mail() == {}


def test_a_folder_that_is_not_there_deletes_nothing(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    laptop.put("new/1.a", mail(1))
    laptop.sync()
    desk.sync()
    (laptop.root / "cur").rename(laptop.root / "elsewhere")
    report = laptop.sync()
    assert any("is no Maildir" in problem.why for problem in report.problems)
    desk.sync()
    assert desk.mail() == {".": [("", mail(1))]}


def test_a_folder_in_which_nothing_happened_is_not_listed_again(
    both: tuple[MailMachine, MailMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop, desk = both
    laptop.put("cur/1.a:2,", mail(1))
    laptop.sync()
    rest(laptop)
    laptop.sync()
    with monkeypatch.context() as patched:
        patched.setattr(Maildir, "look", lambda self: pytest.fail("it was listed"))
        assert laptop.sync().done == 0
    desk.sync()
    desk.move(next(str(one.relative_to(desk.root)) for one in (desk.root / "new").iterdir()), "cur/x:2,F")
    desk.sync()
    laptop.sync()  # what is written into a folder that was not listed finds its file
    assert laptop.mail() == {".": [("F", mail(1))]}
    rest(laptop)
    laptop.move("cur/1.a:2,F", "cur/1.a:2,S")
    assert laptop.sync().sent["marks"] == 1


def rest(machine: MailMachine) -> None:
    """Have a machine's folders be as if nothing had happened in them for a while."""
    for directory in (*machine.root.glob("**/cur"), *machine.root.glob("**/new")):
        status = directory.stat()
        os.utime(directory, ns=(status.st_atime_ns, status.st_mtime_ns - 3_000_000_000))
