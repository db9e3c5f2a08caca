"""Mail folders of two machines and a node's rooms: what changes in one comes out in all others, whoever wrote it."""

from collections.abc import Callable

import pytest
from mail_persons import INBOX, NEWS, MailMachine, mail, post, quiet

from mirror.server.node import Node

Make = Callable[..., MailMachine]


def test_a_message_leaves_every_other_maildir_byte_for_byte(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    odd = b"X-Odd: \xff\r\nSubject: =?utf-8?q?x?=\n\nbody without an end"
    laptop.put("new/1.a.host", mail(1))
    laptop.put("cur/2.b.host:2,FS", odd)
    laptop.put(".Archive.2024/cur/3.c.host:2,PRT", mail(3))
    laptop.sync()
    desk.sync()
    expected = {".": [("", mail(1)), ("FS", odd)], ".Archive.2024": [("PRT", mail(3))]}
    assert desk.mail() == laptop.mail() == expected
    quiet(laptop, desk)


def test_what_a_server_made_is_the_same_file_on_every_machine(
    mail_node: Node, both: tuple[MailMachine, MailMachine]
) -> None:
    laptop, desk = both
    post(mail_node, INBOX)
    laptop.sync()
    desk.sync()
    assert laptop.files().keys() == desk.files().keys()
    ((flags, data),) = laptop.mail()["."]
    assert flags == "" and desk.mail() == laptop.mail()
    assert data.startswith(b"Subject: of a server\nFrom: Bob\n") and data.endswith(b"\n\nplain")
    quiet(laptop, desk)


def test_what_is_deleted_goes_everywhere(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    for number in range(3):
        laptop.put(f"new/{number}.a", mail(number))
    laptop.sync()
    desk.sync()
    (laptop.root / "new/1.a").unlink()
    assert laptop.sync().sent["deleted"] == 1
    assert desk.sync().received["deleted"] == 1
    assert desk.mail() == laptop.mail() == {".": [("", mail(0)), ("", mail(2))]}
    quiet(laptop, desk)


def test_in_a_room_of_others_the_node_says_who_wrote_a_message(machine: Make) -> None:
    ann, bob = machine("a", "ann"), machine("b", "bob")
    ann.sync()
    bob.sync()
    ann.put(".Board/cur/1.a:2,S", mail(1))
    ann.sync()
    bob.sync()
    ((_, told),) = bob.mail()[".Board"]
    assert told.startswith(b"From: Ann <ann@m.example>\r\nReceived:") and b"Zoe" not in told
    assert ann.mail()[".Board"] == [("S", told)]
    quiet(ann, bob)


def test_a_room_that_is_only_read_is_only_written_here(mail_node: Node, machine: Make) -> None:
    key = post(mail_node, NEWS)
    laptop = machine()
    laptop.sync()
    before = laptop.mail()
    next((laptop.root / ".News/new").iterdir()).unlink()
    laptop.put(".News/new/1.a", mail(1))
    report = laptop.sync()
    assert any("read-only" in note for note in report.notes)
    assert sorted(laptop.mail()[".News"]) == sorted([*before[".News"], ("", mail(1))])
    assert mail_node.store.read(lambda reader: [one.key for one in reader.scan_all(f"messages/{NEWS}")]) == [key]


def test_a_nul_byte_is_told_by_its_file_and_the_rest_goes_on(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    laptop.put("new/1.bad.host", b"Subject: x\n\n\0")
    laptop.put("new/2.good.host", mail(2))
    (problem,) = laptop.sync().problems
    assert problem.name == "1.bad.host" and "NUL byte" in problem.why
    desk.sync()
    assert desk.mail() == {".": [("", mail(2))]}
    assert (laptop.root / "new/1.bad.host").exists()


def test_a_message_that_is_written_over_is_an_edit(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    laptop.put("cur/1.a:2,D", mail(1, "draft"))
    laptop.sync()
    desk.sync()
    laptop.put("cur/1.a:2,D", mail(1, "better"))
    laptop.sync()
    desk.sync()
    assert desk.mail() == laptop.mail() == {".": [("D", mail(1, "better"))]}
    quiet(laptop, desk)


@pytest.mark.parametrize("folder", [".", ".Board"])
def test_a_message_that_is_written_over_here_and_deleted_elsewhere_stays_as_it_was_written(
    both: tuple[MailMachine, MailMachine], folder: str
) -> None:
    laptop, desk = both
    laptop.put(f"{folder}/cur/1.a:2,DS", mail(1, "draft"))
    laptop.put(f"{folder}/cur/2.a:2,", mail(2))
    laptop.sync()
    desk.sync()
    next(path for path in (desk.root / folder).glob("[cn]*/*") if b"draft" in path.read_bytes()).unlink()
    desk.sync()
    path = laptop.put(f"{folder}/cur/1.a:2,DS", mail(1, "better"))
    report = laptop.sync()
    assert report.problems == [] and report.sent["changed"] == 1 and report.received["deleted"] == 0
    assert path.exists() and b"better" in path.read_bytes()
    desk.sync()
    assert desk.mail() == laptop.mail() and len(laptop.mail()[folder]) == 2
    quiet(laptop, desk)


def test_what_is_remembered_may_be_lost(mail_node: Node, both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    post(mail_node, INBOX)
    laptop.put("cur/1.a:2,S", mail(1))
    laptop.sync()
    desk.sync()
    before = desk.mail()
    laptop.forget()
    report = laptop.sync()
    assert report.sent["new"] == report.received["new"] == 0
    desk.sync()
    assert laptop.mail() == desk.mail() == before
    quiet(laptop, desk)


def test_directions(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    laptop.put("new/1.a", mail(1))
    desk.put("new/2.b", mail(2))
    laptop.sync(direction="pull")
    desk.sync()
    assert desk.mail() == {".": [("", mail(2))]}
    laptop.sync(direction="push")
    assert laptop.mail() == {".": [("", mail(1))]}
    desk.sync()
    assert len(desk.mail()["."]) == 2
