"""Flags and keywords of mail: whose they are, which way they go, and what is told of those that go nowhere."""

from collections.abc import Callable

from mail_persons import BOARD, INBOX, MailMachine, mail, post, quiet
from persons import ANN

from mirror.server.node import Node

Make = Callable[..., MailMachine]


def test_flags_and_keywords_come_out_on_the_other_machine(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    (laptop.root / "dovecot-keywords").write_text("0 Work\n")
    laptop.put("cur/1.a.host:2,S", mail(1))
    laptop.sync()
    desk.sync()
    (file,) = (desk.root / "cur").iterdir()
    file.rename(file.with_name(file.name.replace(":2,S", ":2,RS")))
    laptop.move("cur/1.a.host:2,S", "cur/1.a.host:2,FSa")
    laptop.sync()
    desk.sync()
    laptop.sync()
    assert laptop.mail() == desk.mail() == {".": [("FRSa", mail(1))]}
    assert (desk.root / "dovecot-keywords").read_text() == "0 Work\n"
    laptop.move("cur/1.a.host:2,FRSa", "cur/1.a.host:2,")
    laptop.sync()
    desk.sync()
    assert desk.mail() == {".": [("", mail(1))]}
    quiet(laptop, desk)


def test_marks_of_a_user_are_nobody_elses(machine: Make, mail_node: Node) -> None:
    post(mail_node, BOARD)
    ann, bob = machine("a", "ann"), machine("b", "bob")
    ann.sync()
    bob.sync()
    (file,) = (ann.root / ".Board/new").iterdir()
    file.rename(ann.root / ".Board/cur" / f"{file.name}:2,FS")
    ann.sync()
    bob.sync()
    assert [flags for flags, _ in ann.mail()[".Board"]] == ["FS"]
    assert [flags for flags, _ in bob.mail()[".Board"]] == [""]


def test_marks_of_others_say_nothing(mail_node: Node, machine: Make) -> None:
    key = post(mail_node, BOARD)
    mail_node.store.write(lambda writer: writer.set_fields(f"visits/{BOARD}", f"{ANN}1 {key}", {"seen": True}))
    ann = machine()
    ann.sync()
    assert [flags for flags, _ in ann.mail()[".Board"]] == [""]


def test_flags_go_in_the_direction_of_the_pair(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    laptop.put("cur/1.a:2,", mail(1))
    laptop.sync()
    desk.sync()
    laptop.move("cur/1.a:2,", "cur/1.a:2,S")
    laptop.sync(direction="pull")
    desk.sync()
    assert desk.mail() == {".": [("", mail(1))]}
    (file,) = (desk.root / "new").iterdir()
    file.rename(desk.root / "cur" / f"{file.name}:2,F")
    desk.sync()
    laptop.sync(direction="push")
    assert laptop.mail() == {".": [("S", mail(1))]}
    laptop.sync()
    desk.sync()
    laptop.sync()
    assert desk.mail() == {".": [("FS", mail(1))]}


def test_marks_that_the_node_refuses_stay_and_are_told(both: tuple[MailMachine, MailMachine], mail_node: Node) -> None:
    laptop, desk = both
    laptop.put("cur/1.a:2,", mail(1))
    laptop.sync()
    desk.sync()
    marks = {f"keyword k{number}": True for number in range(40)}
    mail_node.store.write(lambda writer: writer.set_fields(f"visits/{INBOX}", f"{ANN} id:1@x.example", marks))
    (laptop.root / "dovecot-keywords").write_text("25 more\n")
    laptop.move("cur/1.a:2,", "cur/1.a:2,Sz")
    for _ in range(2):
        (problem,) = laptop.sync().problems
        assert problem.name == "1.a" and "40 different keywords" in problem.why
    (file,) = (laptop.root / "cur").iterdir()
    assert {"S", "z"} <= set(file.name.partition(":2,")[2])
