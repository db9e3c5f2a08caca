"""Files that people and other programs leave in folders by mistake: told by name, and no other one waits."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import mail_persons
import persons
import pytest
from mail_persons import MailMachine, mail, mail_machines_on
from persons import Machine, event, machines_on

from mirror.client import mail as mail_round
from mirror.client import mail_listing

NO_TEXT = "\udcff"


@pytest.fixture
def machines(tmp_path: Path) -> Iterator[tuple[Machine, Machine]]:
    with persons.node_at(tmp_path / "node") as node, machines_on(node, tmp_path) as make:
        one, other = make("one"), make("other")
        one.sync()
        other.sync()
        yield one, other


@pytest.fixture
def mails(tmp_path: Path) -> Iterator[tuple[MailMachine, MailMachine]]:
    with mail_persons.node_at(tmp_path / "node") as node, mail_machines_on(node, tmp_path) as make:
        one, other = make("one"), make("other")
        one.sync()
        other.sync()
        yield one, other


def told(report: object) -> list[str]:
    return [problem.name for problem in report.problems]  # type: ignore[attr-defined]


def in_vdir(one: Machine) -> Callable[[str], Path]:
    return lambda name: one.root / "Calendar" / f"{name}.ics"


def test_names_that_are_no_text_and_links_that_lead_nowhere_stop_nothing(machines: tuple[Machine, Machine]) -> None:
    one, other = machines
    path = in_vdir(one)
    path(NO_TEXT).write_text(event("no text"))
    path("loop").symlink_to("loop.ics")
    path("lost").symlink_to("/nowhere/at/all")
    path("directory").mkdir()
    os.mkfifo(path("fifo"))
    (one.root / NO_TEXT).mkdir()
    (one.root / "loop").symlink_to("loop")
    one.write("Calendar", "x.ics", event("x"))
    report = one.sync()
    assert report.sent["new"] == 1 and sorted(told(report)) == [
        "",
        "loop.ics",
        "lost.ics",
        "\N{REPLACEMENT CHARACTER}.ics",
    ]
    other.sync()
    assert list(other.files()) == ["x.ics"]


def test_a_new_collection_with_odd_files_is_a_room_all_the_same(machines: tuple[Machine, Machine]) -> None:
    one, _ = machines
    new = one.root / "New"
    new.mkdir()
    (new / "displayname").mkdir()
    os.mkfifo(new / "fifo.ics")
    (new / "directory.ics").mkdir()
    one.write("New", "x.ics", event("x"))
    assert one.sync().sent["new"] == 1
    (one.root / "Long").mkdir()
    (one.root / "Long" / "displayname").write_text("x" * 1_000_000)
    assert [problem.folder for problem in one.sync().problems] == ["Long"]


def test_a_link_is_no_free_name_and_what_it_leads_to_is_an_edit(machines: tuple[Machine, Machine]) -> None:
    one, other = machines
    in_vdir(other)("x").symlink_to("/nowhere/at/all")
    text = one.root.parent / "elsewhere.ics"
    text.write_text(event("x"))
    in_vdir(one)("x").symlink_to(text)
    one.sync()
    assert other.sync().received["new"] == 1
    text.write_text(event("x", summary="Dinner"))
    assert one.sync().sent["changed"] == 1
    text.unlink()
    report = one.sync()
    assert told(report) == ["x.ics"] and report.sent["deleted"] == 0
    other.sync()
    assert b"Dinner" in in_vdir(other)("x-2").read_bytes()


def test_a_file_that_becomes_another_item_stays_the_only_one_of_it(machines: tuple[Machine, Machine]) -> None:
    one, _ = machines
    one.write("Calendar", "x.ics", event("x"))
    one.sync()
    one.write("Calendar", "x.ics", event("y"))
    assert one.sync().received["new"] == 0 and list(one.files()) == ["x.ics"]
    assert one.sync().done == 0


def test_mail_of_odd_names_stops_nothing(mails: tuple[MailMachine, MailMachine]) -> None:
    one, other = mails
    one.put(f"cur/{NO_TEXT}:2,", mail(1))
    (one.root / "cur" / "loop").symlink_to("loop")
    one.put("cur/2:2,", mail(2))
    report = one.sync()
    assert report.sent["new"] == 1 and sorted(told(report)) == ["loop", "\N{REPLACEMENT CHARACTER}"]
    assert other.sync().received["new"] == 1


def test_another_file_of_a_messages_name_is_never_written_over(mails: tuple[MailMachine, MailMachine]) -> None:
    one, other = mails
    one.put("cur/1:2,S", mail(1))
    one.sync()
    other.sync()
    one.put("cur/1:2,", mail(2, "another message"))
    (file,) = (other.root / "cur").iterdir()
    file.rename(str(file).replace(":2,S", ":2,"))
    other.sync()
    one.sync()
    assert [data for _, data in one.mail()["."]] == [mail(1), mail(2, "another message")]
    one.sync()
    other.sync()
    assert other.mail() == one.mail()


def test_a_name_that_is_too_long_for_flags_is_told_and_the_rest_goes_on(
    mails: tuple[MailMachine, MailMachine],
) -> None:
    one, other = mails
    name = f"{'x' * 252}"
    one.put(f"cur/{name}:2,", mail(1))
    one.sync()
    other.sync()
    (file,) = (other.root / "new").iterdir()
    file.rename(other.root / "cur" / f"{file.name}:2,S")
    other.put("cur/2:2,", mail(2))
    other.sync()
    report = one.sync()
    assert told(report) == [name] and report.received["new"] == 1
    one.sync()
    other.sync()
    assert "S" in [flags for flags, _ in other.mail()["."]]


def test_a_lock_of_keywords_whose_holder_died_stops_nothing(mails: tuple[MailMachine, MailMachine]) -> None:
    one, other = mails
    (one.root / "dovecot-keywords").write_text("0 work\n")
    one.put("cur/1:2,a", mail(1))
    one.sync()
    lock = other.root / "dovecot-keywords.lock"
    lock.touch()
    os.utime(lock, (1, 1))
    other.sync()
    assert other.mail() == one.mail() and not lock.exists()


def test_a_message_written_over_in_place_and_deleted_elsewhere_stays(
    mails: tuple[MailMachine, MailMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_listing, "REST_NS", 0)  # so that a folder's times count at once
    one, other = mails
    one.put("cur/1:2,S", mail(1))
    one.put("cur/2:2,S", mail(2))
    one.sync()
    other.sync()
    one.sync()
    with (one.root / "cur" / "1:2,S").open("ab") as file:
        file.write(b"and more\r\n")
    next(path for path in (other.root / "cur").iterdir() if path.read_bytes() == mail(1)).unlink()
    other.sync()
    assert one.sync().problems == []
    other.sync()
    assert other.mail() == one.mail() == {".": [("S", mail(1) + b"and more\r\n"), ("S", mail(2))]}


def test_a_message_written_over_while_a_whole_room_is_taken_is_sent_on_the_same_connection(
    mails: tuple[MailMachine, MailMachine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_listing, "REST_NS", 0)
    monkeypatch.setattr(mail_round, "A_WRITE", 1)  # so that it is written while more is to come
    one, other = mails
    for number in range(3):
        one.put(f"cur/{number}:2,S", mail(number))
    one.sync()
    one.sync()
    with (one.root / "cur" / "0:2,S").open("ab") as file:
        file.write(b"and more\r\n")
    other.sync()
    next(path for path in (other.root / "cur").iterdir() if path.read_bytes() == mail(0)).unlink()
    other.sync()
    with one.state.writing():
        one.state.note("cursor", "0000000000000000:7")  # of another life: all is compared anew
    assert one.sync().problems == []
    other.sync()
    assert other.mail() == one.mail() and ("S", mail(0) + b"and more\r\n") in one.mail()["."]
