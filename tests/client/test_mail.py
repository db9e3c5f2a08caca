"""Mail folders of two machines and a node's rooms: what changes in one comes out in all others, whoever wrote it."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from mail_persons import ARCHIVE, BOARD, INBOX, NEWS, MailMachine, mail, mail_machines_on, node_at
from persons import ANN, READ_ONLY

from mirror.client.connection import Connection
from mirror.client.maildir import Maildir
from mirror.client.round import BATCH_BYTES
from mirror.client.server import Held, Outcome
from mirror.formats.compose import compose_post
from mirror.formats.names import ROOM_IN_USE
from mirror.model.draft import Draft
from mirror.model.fields import values_of
from mirror.model.marks import marks_in
from mirror.model.record import Record
from mirror.server.node import Node

Make = Callable[..., MailMachine]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with node_at(tmp_path / "node") as made:
        yield made


@pytest.fixture
def machine(node: Node, tmp_path: Path) -> Iterator[Make]:
    with mail_machines_on(node, tmp_path) as make:
        yield make


@pytest.fixture
def both(machine: Make) -> tuple[MailMachine, MailMachine]:
    """Two machines of Ann, with her folders."""
    laptop, desk = machine("laptop"), machine("desk")
    laptop.sync()
    desk.sync()
    return laptop, desk


def post(node: Node, room: str, text: str = "plain", subject: str = "of a server") -> str:
    made = compose_post("m", "Bob", "Board", subject, text, 1_700_000_000)
    node.store.write(lambda writer: writer.put(Record(f"messages/{room}", made.key, 1, "", 1, body=made.body)))
    return made.key


def quiet(*machines: MailMachine) -> None:
    """Check that a round of machines that are in step writes nothing anywhere."""
    for machine in machines:
        machine.sync()
        before = machine.files(), machine.remembered()
        assert machine.sync().done == 0
        assert (machine.files(), machine.remembered()) == before


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
    node: Node, both: tuple[MailMachine, MailMachine]
) -> None:
    laptop, desk = both
    post(node, INBOX)
    laptop.sync()
    desk.sync()
    assert laptop.files().keys() == desk.files().keys()
    ((flags, data),) = laptop.mail()["."]
    assert flags == "" and desk.mail() == laptop.mail()
    assert data.startswith(b"Subject: of a server\nFrom: Bob\n") and data.endswith(b"\n\nplain")
    quiet(laptop, desk)


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


def test_marks_of_a_user_are_nobody_elses(machine: Make, node: Node) -> None:
    post(node, BOARD)
    ann, bob = machine("a", "ann"), machine("b", "bob")
    ann.sync()
    bob.sync()
    (file,) = (ann.root / ".Board/new").iterdir()
    file.rename(ann.root / ".Board/cur" / f"{file.name}:2,FS")
    ann.sync()
    bob.sync()
    assert [flags for flags, _ in ann.mail()[".Board"]] == ["FS"]
    assert [flags for flags, _ in bob.mail()[".Board"]] == [""]


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
    node: Node, both: tuple[MailMachine, MailMachine]
) -> None:
    laptop, _ = both
    (laptop.root / "dovecot-keywords").write_text("".join(f"{number} k{number}\n" for number in range(26)))
    laptop.put("cur/1.a:2,S", mail(1))
    laptop.sync()
    node.store.write(
        lambda writer: writer.set_fields(f"visits/{INBOX}", f"{ANN} id:1@x.example", {"keyword more": True})
    )
    laptop.move("cur/1.a:2,S", ".Archive.2024/cur/1.a:2,F")
    laptop.sync()
    held = node.store.read(lambda reader: reader.get(f"visits/{ARCHIVE}", f"{ANN} id:1@x.example"))
    assert marks_in(values_of(held)) == {"flagged", "more"}


def test_what_a_server_made_stays_that_when_it_is_moved(node: Node, both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    key = post(node, INBOX)
    laptop.sync()
    (file,) = (laptop.root / "new").iterdir()
    file.rename(laptop.root / ".Archive.2024/cur" / f"{file.name}:2,S")
    assert laptop.sync().sent["moved"] == 1
    held = node.store.read(lambda reader: reader.get(f"messages/{ARCHIVE}", key))
    assert held is not None and held.head == b""
    desk.sync()
    assert desk.mail() == laptop.mail()
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


def test_a_room_that_is_only_read_is_only_written_here(node: Node, machine: Make) -> None:
    key = post(node, NEWS)
    laptop = machine()
    laptop.sync()
    before = laptop.mail()
    next((laptop.root / ".News/new").iterdir()).unlink()
    laptop.put(".News/new/1.a", mail(1))
    report = laptop.sync()
    assert any("read-only" in note for note in report.notes)
    assert sorted(laptop.mail()[".News"]) == sorted([*before[".News"], ("", mail(1))])
    assert node.store.read(lambda reader: [one.key for one in reader.scan_all(f"messages/{NEWS}")]) == [key]


def test_a_nul_byte_is_told_by_its_file_and_the_rest_goes_on(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    laptop.put("new/1.bad.host", b"Subject: x\n\n\0")
    laptop.put("new/2.good.host", mail(2))
    (problem,) = laptop.sync().problems
    assert problem.name == "1.bad.host" and "NUL byte" in problem.why
    desk.sync()
    assert desk.mail() == {".": [("", mail(2))]}
    assert (laptop.root / "new/1.bad.host").exists()


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


def test_what_is_remembered_may_be_lost(node: Node, both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    post(node, INBOX)
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


def test_marks_that_the_node_refuses_stay_and_are_told(both: tuple[MailMachine, MailMachine], node: Node) -> None:
    laptop, desk = both
    laptop.put("cur/1.a:2,", mail(1))
    laptop.sync()
    desk.sync()
    marks = {f"keyword k{number}": True for number in range(40)}
    node.store.write(lambda writer: writer.set_fields(f"visits/{INBOX}", f"{ANN} id:1@x.example", marks))
    (laptop.root / "dovecot-keywords").write_text("25 more\n")
    laptop.move("cur/1.a:2,", "cur/1.a:2,Sz")
    for _ in range(2):
        (problem,) = laptop.sync().problems
        assert problem.name == "1.a" and "40 different keywords" in problem.why
    (file,) = (laptop.root / "cur").iterdir()
    assert {"S", "z"} <= set(file.name.partition(":2,")[2])


def test_large_and_old_messages_are_left_out(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    laptop.put("new/1.a", mail(1, "x" * 5000))
    laptop.put("new/2.b", mail(2))
    desk.put("new/3.c", mail(3, "y" * 5000))
    laptop.sync()
    report = desk.sync(max_size=4000)
    assert desk.mail() == {".": [("", mail(2)), ("", mail(3, "y" * 5000))]}
    assert any("max_size" in note for note in report.notes)
    quiet_before = desk.files()
    desk.sync(max_size=4000)
    assert desk.files() == quiet_before
    other = laptop.sync(since_s=1_800_000_000)
    assert other.received["new"] == 0


def test_what_was_left_out_comes_by_itself_once_the_limit_is_raised(both: tuple[MailMachine, MailMachine]) -> None:
    laptop, desk = both
    for number, size in enumerate((10, 50_000, 100_000)):
        laptop.put(f"new/{number}.a", mail(number, "x" * size))
    laptop.sync()
    long = {"since_s": 1_800_000_000, "max_age": 1}  # all of it is older
    assert desk.sync(max_size=60_000, **long).received["new"] == 0
    assert desk.sync(max_size=60_000).received["new"] == 2
    measured: list[Measured] = []

    def around(side: Any) -> Any:
        if isinstance(side, Connection):
            measured.append(Measured(side))
            return measured[-1]
        return side

    assert desk.sync(max_size=70_000, around=around).received["new"] == 0
    assert measured[0].contents == []  # what is here already does not travel again
    report = desk.sync(around=around)
    assert report.received["new"] == 1 and any("has come" in note for note in report.notes)
    assert len(measured[1].contents) == 1 and desk.mail() == laptop.mail()
    assert desk.sync(max_size=60_000).done == 0
    quiet(laptop)
    desk.sync(max_size=60_000)
    before = desk.files(), desk.remembered()
    assert desk.sync(max_size=60_000).notes == [] and (desk.files(), desk.remembered()) == before


class Measured:
    """A node that notes how many bytes of bodies are sent, and come, together."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.sent: list[int] = []
        self.came: list[int] = []
        self.contents: list[bytes] = []
        fetch = connection._contents

        def fetched(wanted: dict[bytes, int]) -> dict[bytes, bytes]:
            self.contents.extend(wanted)
            return fetch(wanted)

        connection._contents = fetched  # type: ignore[method-assign]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def offer(self, drafts: Sequence[Draft]) -> list[Outcome]:
        self.sent.append(sum(len(draft.body) for draft in drafts))
        return self._connection.offer(drafts)

    def pages(self, collection: str, keys: Sequence[str]) -> Iterator[list[Held]]:
        for page in self._connection.pages(collection, keys):
            self.came.append(sum(len(held.body) for held in page))
            yield page

    def get(self, collection: str, keys: Sequence[str]) -> dict[str, Held]:
        held = self._connection.get(collection, keys)
        self.came.append(sum(len(one.body) for one in held.values()))
        return held


def test_of_large_messages_some_megabytes_are_in_memory_at_once(
    both: tuple[MailMachine, MailMachine], node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    laptop, desk = both
    large, many = 900_000, 12
    for number in range(many):
        laptop.put(f".Board/new/{number}.a", mail(number, f"{number}" * large))
    measured: list[Measured] = []

    def around(side: Any) -> Any:
        if not isinstance(side, Connection):
            return side
        measured.append(Measured(side))
        return measured[-1]

    assert laptop.sync(around=around).sent["new"] == many
    assert sum(measured[0].sent) > many * large and max(measured[0].sent) < BATCH_BYTES + large
    desk.sync()
    node.store.write(lambda writer: writer.set_fields("rooms", BOARD, {"QRflags": ROOM_IN_USE | READ_ONLY}))
    for path in (desk.root / ".Board" / "new").iterdir():
        path.unlink()
    monkeypatch.setattr("mirror.client.connection.BODY_BYTES", 2 * large)
    assert desk.sync(around=around).received["new"] == many
    assert sum(measured[1].came) > many * large and max(measured[1].came) < 3 * large
    assert desk.mail() == laptop.mail()


def test_a_body_that_is_too_large_does_not_even_travel(machine: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    laptop, desk, later = machine("laptop"), machine("desk"), machine("later")
    desk.sync()
    laptop.sync()
    laptop.put("new/1.a", mail(1, "x" * 50_000))
    laptop.put("new/2.b", mail(2, "x" * 20_000))
    laptop.sync()
    fetched: list[int] = []
    contents = Connection._contents
    monkeypatch.setattr(
        Connection, "_contents", lambda self, wanted: fetched.append(len(wanted)) or contents(self, wanted)
    )
    for one in (desk, later):  # by the feed, and as a whole
        fetched.clear()
        one.sync(max_size=30_000)
        assert one.mail() == {".": [("", mail(2, "x" * 20_000))]}
        assert sum(fetched) == 1
    later.sync()
    assert later.mail() == laptop.mail()


def test_marks_of_others_say_nothing(node: Node, machine: Make) -> None:
    key = post(node, BOARD)
    node.store.write(lambda writer: writer.set_fields(f"visits/{BOARD}", f"{ANN}1 {key}", {"seen": True}))
    ann = machine()
    ann.sync()
    assert [flags for flags, _ in ann.mail()[".Board"]] == [""]
