"""Messages of one id in a folder, and files of one message: each is there as often as it was put there."""

from collections.abc import Callable

import pytest
from mail_persons import MailMachine, mail, quiet

Make = Callable[..., MailMachine]


def test_two_messages_of_one_id_are_two(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    laptop.put("new/1.a", mail(1, "one"))
    laptop.put("new/2.b", mail(1, "two"))
    laptop.put("cur/3.c:2,F", mail(1, "three"))
    for machine in (laptop, desk, laptop, desk):
        machine.sync()
    assert desk.mail() == laptop.mail()
    assert sorted(data for _, data in desk.mail()["."]) == sorted(mail(1, text) for text in ("one", "two", "three"))
    quiet(laptop, desk)


@pytest.mark.parametrize("folder", [".", ".Board"])
def test_a_message_that_was_deleted_may_come_again_and_others_of_its_id(
    both: tuple[MailMachine, MailMachine], folder: str
) -> None:
    laptop, desk = both
    laptop.put(f"{folder}/cur/0.a:2,S", mail(1, "one"))
    laptop.sync()
    desk.sync()
    (laptop.root / folder / "cur/0.a:2,S").unlink()
    for machine in (laptop, desk):
        machine.sync()
    assert desk.mail() == {}
    for number, text in enumerate(("two", "one", "three"), 1):
        laptop.put(f"{folder}/cur/{number}.a:2,S", mail(1, text))
    for machine in (laptop, desk, laptop, desk):
        machine.sync()
    assert desk.mail() == laptop.mail()
    texts = {data.splitlines()[-1] for _, data in desk.mail()[folder]}
    assert texts == {b"one", b"two", b"three"} and len(desk.mail()[folder]) == 3
    quiet(laptop, desk)


def test_a_second_file_of_a_message_stays_and_takes_its_place(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    laptop.put("new/1.a", mail(1))
    laptop.put("new/2.b", mail(1))
    laptop.sync()
    desk.sync()
    assert desk.mail() == {".": [("", mail(1))]}
    laptop.move("new/2.b", "cur/2.b:2,F")
    quiet(laptop, desk)
    with laptop.state.writing():
        laptop.state.note("cursor", "0123456789abcdef:1")  # of another life of the node: all is compared
    quiet(laptop, desk)
    assert laptop.mail() == {".": [("", mail(1)), ("F", mail(1))]}
    laptop.move("cur/2.b:2,F", "new/2.b")
    quiet(laptop, desk)
    (laptop.root / "new/1.a").unlink()
    assert laptop.sync().sent["deleted"] == 0
    desk.sync()
    assert desk.mail() == laptop.mail() == {".": [("", mail(1))]}
    quiet(laptop, desk)
    (laptop.root / "new/2.b").unlink()
    laptop.sync(accept_deletions=True)
    desk.sync()
    assert desk.mail() == {}


def test_messages_of_one_id_that_the_node_signed_are_known_again(machine: Make) -> None:
    ann, bob = machine("a", "ann"), machine("b", "bob")
    ann.sync()
    bob.sync()
    ann.put(".Board/cur/1.a:2,S", mail(1, "one"))
    ann.sync()
    ann.put(".Board/cur/2.b:2,S", mail(1, "two"))
    for one in (ann, bob):
        one.sync()
    before = ann.mail()
    assert len(before[".Board"]) == 2
    ann.forget()
    assert ann.sync().sent["new"] == 0
    bob.sync()
    assert ann.mail() == before and len(bob.mail()[".Board"]) == 2
    quiet(ann, bob)
