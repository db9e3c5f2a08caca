"""Single rooms and users in files that other programs read, again and again into the same directory."""

import email
import email.policy
import mailbox
from pathlib import Path

import pytest
from local import LocalNode

from mirror.formats.calendar_file import parse_calendar_file
from mirror.formats.mail import MAIL_HEAD, compose_mail
from mirror.formats.message import MIME, parse_message, serialize_message
from mirror.model.kinds import Collection
from mirror.model.record import Record
from mirror.store.open import open_store


def tree(directory: Path) -> dict[str, bytes]:
    return {str(one.relative_to(directory)): one.read_bytes() for one in directory.rglob("*") if one.is_file()}


def test_a_users_mail_is_a_maildir_with_folders_and_flags(node: LocalNode, tmp_path: Path) -> None:
    store = open_store(node.directory)
    inbox = "alpha:16"
    (key,) = store.read(lambda reader: [one.key for one in reader.scan_all(f"messages/{inbox}")])
    visits = str(Collection("visits", inbox))
    store.write(lambda writer: writer.set_fields(visits, f"alpha:2 {key}", {"seen": True, "answered": True}))
    store.close()
    told = node.json("export", "--maildir", "Alice Liddell", str(tmp_path / "mail"))
    box = mailbox.Maildir(tmp_path / "mail", factory=None, create=False)
    (message,) = list(box)
    assert (message.get_flags(), message.get_subdir()) == ("RS", "cur")
    assert message["Subject"] == "To two" and message["Message-ID"] == f"<{key.removeprefix('id:')}>"
    assert box.list_folders() == ["Trash"] and len(box.get_folder("Trash")) == 1
    assert told["written"] == 2 and told["differing"] == []
    assert all(one.stat().st_mode & 0o077 == 0 for one in (tmp_path / "mail").rglob("*"))


def test_mail_that_is_kept_as_a_file_is_exported_as_it_came(node: LocalNode, tmp_path: Path) -> None:
    data = b"From: Z\xfc <z@x>\r\nMessage-ID: <1@x>\r\nDate: Mon, 1 Jan 2024 10:00:00 +0100\r\n\r\nhello\r\n\r\n"
    made = compose_mail(data)
    store = open_store(node.directory)
    store.write(
        lambda writer: writer.put(Record("messages/alpha:16", made.key, 1, "", 1, head=MAIL_HEAD, body=made.body))
    )
    marks = {"flagged": True, "draft": True, "passed": False}
    store.write(lambda writer: writer.set_fields("visits/alpha:16", f"alpha:2 {made.key}", marks))
    store.close()
    node.run("export", "--maildir", "Alice Liddell", str(tmp_path / "mail"))
    (file,) = (name for name, there in tree(tmp_path / "mail").items() if there == data)
    assert file.startswith("cur/") and file.endswith(":2,DF")


def test_what_is_there_is_not_written_again_whatever_was_read_meanwhile(node: LocalNode, tmp_path: Path) -> None:
    target = str(tmp_path / "board")
    assert node.json("export", "--maildir", "Support", target)["written"] == 22
    box = mailbox.Maildir(target, factory=None, create=False)
    name, message = next(iter(box.items()))
    message.set_subdir("cur")
    message.set_flags("S")
    box[name] = message
    before = tree(tmp_path / "board")
    again = node.json("export", "--maildir", "Support", target)
    assert (again["written"], again["there"]) == (0, 22)
    assert tree(tmp_path / "board") == before


def test_every_message_of_a_room_is_read_by_a_mail_program(node: LocalNode, tmp_path: Path) -> None:
    node.run("export", "--maildir", "Support", str(tmp_path / "mail"))
    messages = [
        email.message_from_bytes(data, policy=email.policy.default) for data in tree(tmp_path / "mail").values()
    ]
    assert all(one["From"] and one["Date"].datetime and one["Message-ID"] for one in messages)
    assert all(not one.defects for one in messages)
    assert all(header.isascii() for one in messages for header in one.as_bytes().partition(b"\n\n")[0].splitlines())


def test_calendar_items_and_contacts_are_a_file_each(node: LocalNode, tmp_path: Path) -> None:
    node.run("export", "--ics", "Team Calendar", str(tmp_path / "cal"))
    found = tree(tmp_path / "cal")
    assert len(found) == 5
    for name, data in found.items():
        (item,) = parse_calendar_file(data).items
        assert name == f"{item.uid}.ics" and data.endswith(b"END:VCALENDAR\r\n")
        assert data.count(b"\n") == data.count(b"\r\n")
    node.run("export", "--vcf", "Team Contacts", str(tmp_path / "cards"))
    assert all(data.startswith(b"BEGIN:VCARD\r\n") for data in tree(tmp_path / "cards").values())
    assert len(tree(tmp_path / "cards")) == 2


def test_what_is_no_item_is_named(node: LocalNode, tmp_path: Path) -> None:
    told = node.json("export", "--ics", "Support", str(tmp_path / "x"))
    assert told["written"] == 0 and len(told["left_out"]) == 22
    assert "Left out (22)" in node.run("export", "--ics", "Support", str(tmp_path / "x")).stdout


def test_a_mail_with_an_invitation_is_no_calendar_item(node: LocalNode, tmp_path: Path) -> None:
    store = open_store(node.directory)
    (item, *_) = store.read(lambda reader: list(reader.scan_all("messages/alpha:36", "euid:")))
    fields = [("I", b"invitation@x"), *((letter, value) for letter, value in parse_message(item.body).fields
              if letter not in "IE")]  # fmt: skip
    mail = Record("messages/alpha:16", "id:invitation@x", 1, "", 1, body=serialize_message(fields, MIME))
    store.write(lambda writer: writer.put(mail))
    store.close()
    assert node.json("export", "--ics", "Alice Liddell", str(tmp_path / "ics"))["written"] == 0
    assert node.json("export", "--maildir", "Alice Liddell", str(tmp_path / "mail"))["written"] == 3


def put(node: LocalNode, name: str, data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "source"
    file.write_bytes(data)
    node.run("file", "put", "Drop Box", str(file), "--name", name)


def test_files_have_their_names_and_bytes_and_leave_others_alone(node: LocalNode, tmp_path: Path) -> None:
    put(node, "small.txt", b"small", tmp_path)
    put(node, "../large", bytes(range(256)) * 4000, tmp_path)
    target = tmp_path / "files"
    assert node.json("export", "--files", "Drop Box", str(target))["written"] == 2
    assert tree(target) == {"small.txt": b"small", "_._large": bytes(range(256)) * 4000}
    (target / "small.txt").write_bytes(b"mine!")
    put(node, "new.txt", b"new", tmp_path)
    result = node.run("export", "--files", "Drop Box", str(target), code=1)
    assert f"Not overwritten (1):\n  {target / 'small.txt'}" in result.stdout
    assert tree(target)["small.txt"] == b"mine!" and tree(target)["new.txt"] == b"new"


def test_a_link_in_the_way_is_not_followed(node: LocalNode, tmp_path: Path) -> None:
    put(node, "small.txt", b"small", tmp_path)
    target = tmp_path / "files"
    target.mkdir()
    (target / "small.txt").symlink_to(tmp_path / "elsewhere")
    node.run("export", "--files", "Drop Box", str(target), code=3)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--files", "Nowhere", "x"], 3, "there is no room or user 'Nowhere'"),
        (["--files", "Alice Liddell", "x"], 3, "'Alice Liddell' is a user: files are in rooms"),
        (["--files", "Supp", "x"], 3, "there are Support"),
        (["--ics", "Lobby", "x", "--migr", "y"], 2, "say what to write"),
        (["--ics", "Lobby", "x", "--rooms", "y"], 2, "--rooms and --users are for --migr"),
    ],
)
def test_wrong_words_are_named(
    node: LocalNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    assert told in node.run("export", *arguments, code=code).stderr
    assert set(tmp_path.iterdir()) == before
