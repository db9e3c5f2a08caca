"""Small tools that change data by hand: what they write was made from what they found, and says so."""

from pathlib import Path

import pytest
from local import EVENT, LocalNode

from mirror.cli import data
from mirror.cli.local import record_at
from mirror.model.draft import Draft, base_of
from mirror.model.record import Record, unpack_head
from mirror.peer.remote import ChannelRemote

CALENDAR = "Team Calendar"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Draft]:
    """What is sent as drafts."""
    drafts: list[Draft] = []
    send = ChannelRemote.draft

    def note(remote: ChannelRemote, more: list[Draft]) -> object:
        drafts.extend(more)
        return send(remote, more)

    monkeypatch.setattr(ChannelRemote, "draft", note)
    return drafts


def held(node: LocalNode, draft: Draft) -> Record:
    with node.ask() as remote:
        record = record_at(remote, draft.collection, draft.key)
    assert record is not None
    return record


def test_a_post_is_made_from_nothing(node: LocalNode, sent: list[Draft]) -> None:
    key = node.run("post", "Lobby", "hello").stdout.strip()
    assert [(draft.key, draft.base) for draft in sent] == [(key, None)]
    assert "hello" in node.run("read", "Lobby").stdout


def test_an_item_that_is_there_is_replaced_by_a_draft_that_says_what_it_changes(
    node: LocalNode, sent: list[Draft], tmp_path: Path
) -> None:
    file = tmp_path / "event.ics"
    file.write_text(EVENT)
    node.run("calendar", "add", str(file), "--room", CALENDAR)
    first = held(node, sent[0])
    file.write_text(EVENT.replace("Lunch", "Dinner"))
    node.run("calendar", "add", str(file), "--room", CALENDAR)
    assert [draft.base for draft in sent] == [None, base_of(first)]
    assert {name.rpartition("\n")[2] for name in sent[1].changed} == {"subject", "SUMMARY", "revision"}
    assert "Dinner" in node.run("read", CALENDAR).stdout


def test_a_file_is_put_in_the_place_of_the_one_that_was_there(
    node: LocalNode, sent: list[Draft], tmp_path: Path
) -> None:
    for size in (10, 300_000):
        (tmp_path / "x.bin").write_bytes(b"x" * size)
        assert f"x.bin: {size:,} bytes" in node.run("file", "put", "Drop Box", str(tmp_path / "x.bin")).stdout
        assert unpack_head(held(node, sent[-1]).head)["bytes"] == size
    assert sent[0].base is None
    assert sent[1].base is not None


def test_a_deletion_names_what_it_deletes(node: LocalNode, sent: list[Draft]) -> None:
    key = node.run("post", "Lobby", "hello").stdout.strip()
    record = held(node, sent[0])
    assert node.run("delete", "Lobby", key).stdout == f"{key} is deleted from Lobby.\n"
    assert (sent[1].dead, sent[1].base) == (True, base_of(record))
    assert held(node, sent[0]).dead


@pytest.mark.parametrize("again", [False, True])
def test_what_is_not_there_cannot_be_deleted(node: LocalNode, again: bool) -> None:
    key = "id:nothing"
    if again:
        key = node.run("post", "Lobby", "hello").stdout.strip()
        node.run("delete", "Lobby", key)
    assert "there is no message" in node.run("delete", "Lobby", key, code=12).stderr


def test_what_is_written_in_between_is_merged_and_not_overwritten(
    node: LocalNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "event.ics"
    file.write_text(EVENT)
    node.run("calendar", "add", str(file), "--room", CALENDAR)
    look = data.record_at

    def be_late(remote: ChannelRemote, collection: str, key: str) -> Record | None:
        found = look(remote, collection, key)
        monkeypatch.setattr(data, "record_at", look)
        body = data.body_of(remote, look(remote, collection, key)).replace(b"Lunch", b"Brunch")
        data.write(remote, collection, key, body)
        return found

    monkeypatch.setattr(data, "record_at", be_late)
    file.write_text(EVENT.replace("END:VEVENT", "LOCATION:Garden\nEND:VEVENT"))
    node.run("calendar", "add", str(file), "--room", CALENDAR)
    shown = node.run("read", CALENDAR).stdout
    assert "SUMMARY:Brunch" in shown and "LOCATION:Garden" in shown


def test_a_calendar_file_is_told_of_what_is_left_out_and_refused_by_its_line(
    node: LocalNode, sent: list[Draft], tmp_path: Path
) -> None:
    file = tmp_path / "event.ics"
    file.write_text(EVENT.replace("END:VCALENDAR\n", "BEGIN:VFREEBUSY\nEND:VFREEBUSY\nEND:VCALENDAR\n"))
    added = node.run("calendar", "add", str(file), "--room", CALENDAR)
    assert added.stdout == "euid:meeting\n"
    assert "left out: the VFREEBUSY that begins at line 8" in added.stderr
    file.write_text(EVENT.replace("SUMMARY:", "SUMMARY="))
    refused = node.run("calendar", "add", str(file), "--room", CALENDAR, code=9)
    assert f"{file}: line 6: 'SUMMARY=Lunch' is no property" in refused.stderr
    assert len(sent) == 1


def test_a_text_that_is_not_utf8_is_posted_as_it_is(node: LocalNode, sent: list[Draft]) -> None:
    node.run("post", "Lobby", "caf\udce9")
    assert sent[0].body.endswith(b"Mcaf\xe9\0")
    assert "café" in node.run("read", "Lobby").stdout


def test_names_that_are_not_utf8_are_refused_in_one_line(node: LocalNode, tmp_path: Path) -> None:
    file = tmp_path / "caf\udce9.txt"
    file.write_bytes(b"caf\xe9")
    assert "the name 'caf\\udce9.txt' is not UTF-8" in node.run("file", "put", "Lobby", str(file), code=2).stderr
    node.run("file", "put", "Lobby", str(file), "--name", "coffee")
    refused = node.run("room", "rename", "Lobby", "caf\udce9", code=2).stderr
    assert refused == "ctdlmirror: 'caf\\udce9' is not UTF-8\n"
