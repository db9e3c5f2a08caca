"""Mail that is moved from one folder to another: one act, whatever the program that did it made of its bytes."""

import pytest
from mail_persons import ARCHIVE, INBOX, MailMachine, mail, post, quiet
from persons import ANN

from mirror.client.connection import Connection
from mirror.model.fields import values_of
from mirror.model.marks import marks_in
from mirror.server.node import Node


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_message_that_is_moved_is_one_act_and_does_not_travel_again(
    both: tuple[MailMachine, MailMachine], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    laptop, desk = both
    text = "x" * size
    for number in range(20):
        laptop.put(f"cur/{number}.a:2,S", mail(number, text))
    laptop.sync()
    desk.sync()
    for number in range(20):
        laptop.move(f"cur/{number}.a:2,S", f".Archive.2024/cur/{number}.a:2,S")
    with monkeypatch.context() as patched:
        patched.setattr(Connection, "offer", lambda self, drafts: pytest.fail(f"{len(drafts)} drafts travel"))
        assert laptop.sync().sent["moved"] == 20
    desk.sync()
    assert desk.mail() == laptop.mail() and len(desk.mail()[".Archive.2024"]) == 20 and "." not in desk.mail()
    quiet(laptop, desk)


def test_a_message_that_a_program_wrote_anew_as_it_moved_it_is_the_same(both: tuple[MailMachine, MailMachine]) -> None:
    """As mutt does, and Dovecot with line ends."""
    laptop, desk = both
    for number in range(3):
        laptop.put(f"cur/{number}.a:2,S", mail(number))
    laptop.sync()
    desk.sync()
    rewritten = mail(0).replace(b"\r\n\r\n", b"\r\nStatus: RO\r\nContent-Length: 7\n\n")
    laptop.put(".Archive.2024/cur/0.b:2,S", rewritten)
    (laptop.root / "cur/0.a:2,S").unlink()
    laptop.put("cur/1.a:2,S", mail(1).replace(b"\r\n", b"\n"))
    laptop.put(".Archive.2024/cur/2.b:2,S", mail(2).replace(b"\r\n", b"\n"))  # copied
    sent = laptop.sync().sent
    assert (sent["moved"], sent["new"], sent["changed"], sent["deleted"]) == (1, 1, 0, 0)
    desk.sync()
    assert desk.mail() == {".": [("S", mail(1)), ("S", mail(2))], ".Archive.2024": [("S", mail(0)), ("S", mail(2))]}
    assert ("S", rewritten) in laptop.mail()[".Archive.2024"]
    quiet(laptop, desk)


def test_a_message_keeps_its_flags_when_it_is_moved_to_another_one_of_its_id(
    both: tuple[MailMachine, MailMachine],
) -> None:
    laptop, desk = both
    laptop.put("cur/1.a:2,", mail(1, "one"))
    laptop.put(".Archive.2024/cur/2.b:2,F", mail(1, "two"))
    laptop.sync()
    laptop.move(".Archive.2024/cur/2.b:2,F", "cur/2.b:2,F")
    for machine in (laptop, desk, laptop, desk):
        machine.sync()
    assert desk.mail() == laptop.mail()
    assert ("F", mail(1, "two")) in desk.mail()["."]


def test_marks_that_a_maildir_does_not_keep_go_with_a_message(
    mail_node: Node, both: tuple[MailMachine, MailMachine]
) -> None:
    laptop, _ = both
    (laptop.root / "dovecot-keywords").write_text("".join(f"{number} k{number}\n" for number in range(26)))
    laptop.put("cur/1.a:2,S", mail(1))
    laptop.sync()
    mail_node.store.write(
        lambda writer: writer.set_fields(f"visits/{INBOX}", f"{ANN} id:1@x.example", {"keyword more": True})
    )
    laptop.move("cur/1.a:2,S", ".Archive.2024/cur/1.a:2,F")
    laptop.sync()
    held = mail_node.store.read(lambda reader: reader.get(f"visits/{ARCHIVE}", f"{ANN} id:1@x.example"))
    assert marks_in(values_of(held)) == {"flagged", "more"}


def test_what_a_server_made_stays_that_when_it_is_moved(mail_node: Node, both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    key = post(mail_node, INBOX)
    laptop.sync()
    (file,) = (laptop.root / "new").iterdir()
    file.rename(laptop.root / ".Archive.2024/cur" / f"{file.name}:2,S")
    assert laptop.sync().sent["moved"] == 1
    held = mail_node.store.read(lambda reader: reader.get(f"messages/{ARCHIVE}", key))
    assert held is not None and held.head == b""
    desk.sync()
    assert desk.mail() == laptop.mail()
    quiet(laptop, desk)
