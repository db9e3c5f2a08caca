"""The promise of a folder, as a vdir keeps it, and how files are written in it."""

import errno
import os
from pathlib import Path

import pytest

from mirror.client.files import OURS
from mirror.client.lock import locked
from mirror.client.place import Changed, InUse, Missing
from mirror.client.vdir import Vdir, VdirTree


@pytest.fixture
def place(tmp_path: Path) -> Vdir:
    return Vdir(tmp_path)


def test_what_is_no_item_is_not_listed(place: Vdir) -> None:
    for name in ("displayname", "color", ".hidden.ics", "x.ics.tmp", f"{OURS}1-0.tmp", "notes.txt"):
        (place.path / name).write_text("x")
    (place.path / "folder.ics").mkdir()
    made = place.create("a.ics", b"x")
    assert list(place.look()) == [made]


def test_a_new_file_never_takes_the_name_of_another(place: Vdir) -> None:
    first, second = place.create("a.ics", b"1"), place.create("a.ics", b"2")
    assert (first.name, second.name) == ("a.ics", "a-2.ics")
    assert place.create("../up/b.ics", b"3").name == ".._up_b.ics".replace("..", "_.", 1)
    assert place.read(first) == b"1" and place.read(second) == b"2"


def test_a_name_that_leads_nowhere_is_taken(place: Vdir) -> None:
    (place.path / "a.ics").symlink_to("nowhere")
    assert place.create("a.ics", b"1").name == "a-2.ics"
    place.settle()
    assert sorted(os.listdir(place.path)) == ["a-2.ics", "a.ics"]


def test_a_file_that_the_system_takes_in_pieces_is_whole(place: Vdir, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:3]))
    found = place.create("a.ics", b"12345678")
    assert place.read(found) == b"12345678"
    assert place.create("empty.ics", b"").tag.split(".")[1] == "0"


def test_a_file_that_cannot_be_written_leaves_nothing(place: Vdir, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="no space"):
        place.create("a.ics", b"1")
    assert os.listdir(place.path) == []


def test_only_what_was_found_is_replaced_or_deleted(place: Vdir) -> None:
    found = place.create("a.ics", b"1")
    place.settle()
    (place.path / "a.ics").write_bytes(b"theirs")
    for act in (lambda: place.read(found), lambda: place.replace(found, b"2"), lambda: place.delete(found)):
        with pytest.raises(Changed):
            act()
    assert (place.path / "a.ics").read_bytes() == b"theirs"
    (now,) = place.look()
    assert place.read(place.replace(now, b"2")) == b"2"
    (now,) = place.look()
    place.delete(now)
    place.delete(now)
    assert os.listdir(place.path) == []


def test_what_another_program_writes_between_the_look_and_the_write_stays(
    place: Vdir, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mirror.client.files as files

    found = place.create("a.ics", b"1")
    place.settle()
    looked = files.check

    def check(path: Path, tag: str) -> None:
        looked(path, tag)
        path.with_name("new").write_bytes(b"theirs")
        os.replace(path.with_name("new"), path)

    monkeypatch.setattr(files, "check", check)
    with pytest.raises(Changed):
        place.replace(found, b"2")
    assert (place.path / "a.ics").read_bytes() == b"theirs"
    with pytest.raises(Changed):
        place.delete(next(iter(place.look())))
    assert (place.path / "a.ics").read_bytes() == b"theirs"
    assert os.listdir(place.path) == ["a.ics"]


def test_a_tag_is_the_same_while_nothing_is_written_and_another_after_that(place: Vdir) -> None:
    found = place.create("a.ics", b"1")
    assert list(place.look()) == [found]
    assert place.replace(found, b"2").tag != found.tag


def test_a_folder_that_is_not_there_is_missing(tmp_path: Path) -> None:
    place = Vdir(tmp_path / "none")
    for act in (place.identity, lambda: list(place.look())):
        with pytest.raises(Missing):
            act()
    with pytest.raises(Missing), locked(tmp_path / "none"):
        pass


def test_a_folder_made_anew_under_its_path_is_another_one(tmp_path: Path) -> None:
    place = Vdir(tmp_path / "a")
    place.path.mkdir()
    before = place.identity()
    place.path.rename(tmp_path / "b")
    place.path.mkdir()
    assert place.identity() != before


def test_a_collection_has_a_name_and_a_colour_which_stay_the_persons(tmp_path: Path) -> None:
    tree = VdirTree(tmp_path)
    tree.make("Team", "Team", "m:12")
    path = tmp_path / "Team"
    assert (path / "displayname").read_text() == "Team" and (path / "color").read_text().startswith("#")
    tree.rename("Team", "Team", "Crew")
    assert (path / "displayname").read_text() == "Crew"
    (path / "displayname").write_text("My crew")
    (path / "color").write_text("#000000")
    tree.rename("Team", "Crew", "Gang")
    tree.make("Team", "Gang", "m:12")
    assert (path / "displayname").read_text() == "My crew" and (path / "color").read_text() == "#000000"


def test_what_a_killed_client_left_is_swept(place: Vdir) -> None:
    (place.path / f"{OURS}1-0.tmp").write_text("half")
    made = place.create("a.ics", b"1")
    assert list(place.look()) == [made]
    assert os.listdir(place.path) == ["a.ics"]


def test_two_clients_on_one_folder_refuse_each_other(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(InUse, match="another client"), locked(tmp_path):
        pass
    with locked(tmp_path):
        assert os.listdir(tmp_path) == []
