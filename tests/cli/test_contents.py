"""What is in rooms, made, listed and taken out by hand; what nobody meant is asked about or refused."""

import json
from pathlib import Path

import pytest
from local import EVENT, LocalNode

from mirror.formats.shown_text import decoded
from mirror.model.record import Record, pack_head


@pytest.fixture
def event(tmp_path: Path) -> Path:
    file = tmp_path / "event.ics"
    file.write_text(EVENT)
    return file


def test_a_room_is_made_for_what_comes_into_it(node: LocalNode, event: Path, tmp_path: Path) -> None:
    made = node.json("room", "create", "Plans", "--view", "calendar")
    assert made["name"] == "Plans" and made["key"].startswith("alpha:")
    node.run("calendar", "add", str(event), "--room", "Plans")
    (listed,) = node.json("calendar", "list", "--room", "Plans")
    assert (listed["kind"], listed["starts"], listed["summary"]) == ("VEVENT", "20261201T100000Z", "Lunch")
    node.run("calendar", "export", str(tmp_path / "out.ics"), "--room", "Plans")
    text = (tmp_path / "out.ics").read_bytes()
    assert (
        text.startswith(b"BEGIN:VCALENDAR\r\n") and b"\r\nSUMMARY:Lunch\r\n" in text and text.count(b"END:VEVENT") == 1
    )
    other = node.json("room", "create", "Other", "--view", "tasks")
    added = node.json("calendar", "add", str(tmp_path / "out.ics"), "--room", other["key"])
    assert added["keys"] == ["euid:meeting"]  # what was taken out can be put in


def test_an_event_comes_into_a_mail_room_only_if_that_is_said(node: LocalNode, event: Path) -> None:
    assert "Lobby is no calendar" in node.run("calendar", "add", str(event), "--room", "Lobby", code=3).stderr
    node.run("calendar", "add", str(event), "--room", "Lobby", "--any-room")


@pytest.mark.parametrize(("view", "code"), [(8, 0), (9, 3)])
def test_an_event_comes_into_a_journal_and_not_among_drafts(node: LocalNode, event: Path, view: int, code: int) -> None:
    key = node.json("room", "create", "Diary", "--view", "calendar")["key"]
    with node.ask() as remote:
        remote.overwrite([Record("rooms", key, 1, "x", 1, head=pack_head({"QRdefaultview": view}))])
    node.run("calendar", "add", str(event), "--room", "Diary", code=code)


def test_a_name_that_is_taken_is_refused_unless_that_is_said(node: LocalNode) -> None:
    assert "there is a room Lobby" in node.run("room", "rename", "Team Calendar", "lobby", code=3).stderr
    assert "there is a room Lobby" in node.run("room", "create", "Lobby", code=3).stderr
    node.run("room", "rename", "Lobby", "LOBBY")  # its own name in capitals
    node.run("room", "create", "Lobby", "--taken")


@pytest.mark.parametrize("text", [(), ("",), ("  \n",)])
def test_nothing_is_not_posted(node: LocalNode, text: tuple[str, ...]) -> None:
    assert "nothing was posted" in node.run("post", "Lobby", *text, code=2).stderr


def test_a_file_is_listed_and_got_back_where_it_was_said_and_never_over_another(
    node: LocalNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plan.txt").write_bytes(b"\x00\xffplan\n")
    node.run("file", "put", "Lobby", str(tmp_path / "plan.txt"), "--name", "../plan.txt", "--comment", "ours")
    (listed,) = [one for one in node.json("file", "list", "Lobby") if one["key"] == "../plan.txt"]
    assert (listed["bytes"], listed["comment"]) == (7, "ours")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    node.run("file", "get", "Lobby", "../plan.txt")
    assert (tmp_path / "here" / "plan.txt").read_bytes() == b"\x00\xffplan\n"
    assert "exists already" in node.run("file", "get", "Lobby", "../plan.txt", code=3).stderr
    assert "there is no file" in node.run("file", "get", "Lobby", "nothing", code=12).stderr
    assert node.run("file", "get", "Lobby", "../plan.txt", "--to", "-").stdout_bytes == b"\x00\xffplan\n"


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("plain", "plain"),
        ("=?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?UTF-8?B?5p2x5Lqs?= =?utf-8?q?_and_more?=", "東京 and more"),
        ("=?iso-8859-1?q?caf=E9?= =?x-unknown?q?x?=", "=?iso-8859-1?q?caf=E9?= =?x-unknown?q?x?="),
        ("=?utf-8?b?!!!?=", None),
        ("=?utf-8?q?" + "x" * 20_000, "=?utf-8?q?" + "x" * 20_000),
    ],
)
def test_encoded_words_are_shown_as_they_are_meant(header: str, shown: str | None) -> None:
    assert decoded(header) == (shown if shown is not None else header) or shown is None


def test_a_message_is_read_as_it_is_meant(node: LocalNode) -> None:
    node.run("post", "Lobby", "x", "--subject", "=?utf-8?q?Gr=C3=BC=C3=9Fe?=")
    assert ": Grüße  [" in node.run("read", "Lobby", "--limit", "1").stdout


def test_help_version_and_the_directory_are_found_where_people_type_them(node: LocalNode) -> None:
    assert node.run("--version").stdout.startswith("citadel-mirror ")
    assert "Usage: " in node.run("help").stdout
    assert "Give the room NAME another name" in node.run("help", "room", "rename").stdout
    assert "there is no command 'nothing'" in node.run("help", "nothing", code=2).stderr
    elsewhere = LocalNode(node.directory / "nowhere")
    assert json.loads(elsewhere.run("status", "--json", "--dir", str(node.directory)).stdout)["node"] == "alpha"
    assert "Node alpha" in elsewhere.run("status", f"--dir={node.directory}").stdout
