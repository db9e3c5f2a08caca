"""A person's commands: set up, kept equal, looked at, resolved; against a daemon."""

import json
import mailbox
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from accounts import USER, Person, server_address
from imports import imported
from persons import event

from mirror.client.lock import locked
from mirror.peer.tls import own_fingerprint


@pytest.fixture
def person(tmp_path: Path, export: Path) -> Iterator[Person]:
    with server_address(tmp_path / "alpha", export) as address:
        yield Person(tmp_path, address)


def test_set_up_and_kept_equal_from_one_command_to_the_next(person: Person) -> None:
    said = person.init().output
    assert "Team Calendar" in said and person.config.stat().st_mode & 0o777 == 0o600
    assert "password" in person.config.read_text() and "pw-Bob" not in person.config.read_text()
    first = person.json("sync")
    assert first["calendars"]["received"]["new"] == 6 and first["contacts"]["received"]["new"] == 10
    (person.calendars / "Calendar" / "mine.ics").write_text(event("mine"))
    assert "sent 1 new" in person.run("sync", "calendars").output
    assert "nothing to do" in person.run("sync").output
    assert person.run("sync", "--quiet").output == ""
    rows = {row["name"]: row for row in person.json("discover")}
    assert (
        rows["Calendar"]["items"] == 1
        and rows["Calendar"]["bytes"] > len(event("mine"))
        and rows["Calendar"]["pair"] == "calendars"
    )
    assert rows["Lobby"]["pair"] == "" and rows["Mail"]["for"] == "mail"
    folders = {row["folder"]: row for row in person.json("status")["folders"]}
    assert folders["Calendar"]["items"] == 1 and folders["Team Calendar"]["items"] == 5


def test_mail_is_a_maildir_with_a_folder_for_each_room(person: Person) -> None:
    person.init("--calendars", "", "--contacts", "")
    assert person.json("sync")["mail"]["received"]["new"] == 2
    box = mailbox.Maildir(person.home / "home" / "Mail", factory=None, create=False)
    assert {"Drafts", "Sent Items", "Trash"} <= set(box.list_folders())
    told = sorted(message["To"] for message in box.get_folder("Sent Items"))
    assert told == ["Alice Liddell", "Alice Liddell,Carla N ez"]
    box.add(mailbox.MaildirMessage(b"Subject: from here\nMessage-ID: <1@here>\n\nhello\n"))
    assert "sent 1 new" in person.run("sync", "mail").output
    assert "nothing to do" in person.run("sync").output


def test_the_log_in_is_tried_before_anything_is_written(person: Person) -> None:
    person.password.write_text("wrong\n")
    assert "does not know user" in person.init(code=7).output
    assert not person.config.exists()
    person.password.write_text(f"pw-{USER}\n")
    person.password.chmod(0o640)
    assert "chmod 600" in person.init(code=3).output
    assert "printed no password" in person.init("--password-command", "false", code=3).output
    assert not person.config.exists()
    person.init("--password-command", f"echo 'pw-{USER}'")
    assert "is there already" in person.init(code=3).output


def test_init_asks_for_what_is_not_said_and_keeps_the_password_in_a_private_file(person: Person) -> None:
    answers = [person.address, USER, f"pw-{USER}", str(person.calendars), str(person.home / "cards"), ""]
    said = person.run("init", given="\n".join(answers) + "\n").output
    assert f"pw-{USER}" not in said
    kept = person.config.parent / "password"
    assert kept.stat().st_mode & 0o777 == 0o600 and kept.read_text() == f"pw-{USER}\n"
    assert person.json("sync")["contacts"]["received"]["new"] == 10


def test_the_keyring_is_asked_by_the_desktops_own_program(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    program = person.home / "bin" / "secret-tool"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ "$*" = "lookup service citadel account {USER}@{person.address}" ] && echo "pw-{USER}"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    person.run("init", "--server", person.address, "--user", USER, "--password-keyring", "citadel", "--yes")
    assert person.json("sync", "contacts")["contacts"]["received"]["new"] == 10


def test_deletions_of_a_whole_folder_are_held_back_until_they_are_accepted(person: Person) -> None:
    person.init()
    person.run("sync")
    for path in (person.calendars / "Team Calendar").glob("*.ics"):
        path.unlink()
    held = person.run("sync", "calendars", code=11).output
    assert "5 deletions are held back" in held and "--accept-deletions calendars" in held
    assert {row["folder"]: row["held"] for row in person.json("status")["folders"]}["Team Calendar"] == 5
    done = person.json("sync", "--accept-deletions", "calendars")["calendars"]
    assert done["sent"]["deleted"] == 5 and done["held"] == {}


def test_a_broken_file_is_told_by_its_name_and_ends_with_1(person: Person) -> None:
    person.init()
    person.run("sync")
    (person.calendars / "Calendar" / "bad.ics").write_text("BEGIN:VCALENDAR")
    said = person.run("sync", "calendars", code=1).output
    assert "calendars: Calendar/bad.ics: line 1:" in said
    assert person.json("sync", "calendars", code=1)["calendars"]["problems"][0]["name"] == "bad.ics"


def test_a_conflict_is_listed_shown_and_resolved_each_way(person: Person, tmp_path: Path) -> None:
    person.init()
    person.run("sync")
    path = person.calendars / "Calendar" / "x.ics"
    path.write_text(event("x"))
    person.run("sync")
    other = Other(person)
    for number, (choice, there) in enumerate((("mine", "Ours1"), ("theirs", "Theirs2"), ("both", "Ours3 Theirs3")), 1):
        other.write(event("x", summary=f"Theirs{number}"))
        path.write_text(event("x", summary=f"Ours{number}"))
        assert person.json("sync", "calendars")["calendars"]["conflicts"] == 1
        (row,) = person.json("conflicts")
        shown = person.run("conflicts", "show", "calendars", str(row["number"])).output
        assert f"-SUMMARY:Theirs{number}" in shown and f"+SUMMARY:Ours{number}" in shown
        person.run("conflicts", "take", "calendars", str(row["number"]), choice)
        assert person.json("conflicts") == []
        person.run("sync", "calendars")
        texts = "".join(file.read_text() for file in path.parent.glob("*.ics"))
        assert all(f"SUMMARY:{one}" in texts for one in there.split()), choice
        assert other.summaries() == sorted(there.split())
    assert "no conflict 99" in person.run("conflicts", "take", "calendars", "99", "mine", code=12).output


class Other:
    """The same person's other machine."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._config = person.home / "other.toml"
        self._folder = person.home / "other" / "Calendar"
        text = person.config.read_text().replace(str(person.calendars), str(person.home / "other"))
        self._config.write_text(text.replace("[pair.calendars]", "[pair.other]"))

    def _sync(self) -> None:
        self._person.run("--config", str(self._config), "sync", "other")

    def write(self, text: str) -> None:
        self._sync()
        (file,) = self._folder.glob("x.ics")
        file.write_text(text)
        self._sync()

    def summaries(self) -> list[str]:
        self._sync()
        lines = (line for file in self._folder.glob("*.ics") for line in file.read_text().splitlines())
        return sorted(line.removeprefix("SUMMARY:") for line in lines if line.startswith("SUMMARY:"))


def test_a_pair_that_is_reset_compares_both_sides_and_deletes_nothing(person: Person) -> None:
    person.init()
    person.run("sync")
    (person.calendars / "Team Calendar" / "event-1-0@example.org.ics").unlink()
    assert "forgotten" in person.run("reset", "calendars", "--yes").output
    done = person.json("sync", "calendars")["calendars"]
    assert done["received"]["new"] == 1 and sum(done["sent"].values()) == 0


def test_what_is_asked_is_no_part_of_what_is_printed_and_needs_somebody_to_answer(person: Person) -> None:
    person.init()
    person.run("sync")
    nobody = person.run("reset", "calendars", "--json", code=2)
    assert "Forget what was agreed on in calendars" in nobody.stderr
    assert json.loads(nobody.stdout)["error"] == "nobody is there to be asked: --yes says yes"
    person.run("reset", "calendars", "--json", code=130, given="n\n")
    assert person.run("sync").stderr == "" and person.json("status")["folders"] != []
    said = person.run("reset", "calendars", "--json", given="y\n")
    assert json.loads(said.stdout)["pair"] == "calendars" and said.stderr.endswith("[y/N]: \n")


def test_what_is_remembered_is_of_one_account_and_directory(person: Person) -> None:
    person.init()
    person.run("sync")
    moved = person.calendars.parent / "elsewhere"
    text = person.config.read_text()
    person.config.write_text(text.replace(str(person.calendars), str(moved)))
    moved.mkdir()
    assert "client reset calendars" in person.run("sync", "calendars", code=3).output
    person.calendars.rename(person.calendars.parent / "away")
    person.config.write_text(text)
    assert "is no folder" in person.run("sync", "calendars", code=10).output


def test_a_folder_in_use_is_refused(person: Person) -> None:
    person.init()
    person.run("sync")
    (person.contacts / "Contacts" / "c.vcf").write_text("BEGIN:VCARD\nVERSION:3.0\nUID:c\nFN:C\nN:C;;;;\nEND:VCARD\n")
    with locked(person.calendars):
        said = person.run("sync", code=4).output
        assert "another client" in said and "contacts: sent 1 new" in said
        assert "no [pair.none]" in person.run("sync", "none", code=3).output


def test_a_pair_whose_state_is_of_no_use_stops_no_other(person: Person) -> None:
    person.init()
    person.run("sync")
    state = person.home / "state" / "citadel-mirror" / "calendars.db"
    state.write_text("no database")
    (person.contacts / "Contacts" / "c.vcf").write_text("BEGIN:VCARD\nVERSION:3.0\nUID:c\nFN:C\nN:C;;;;\nEND:VCARD\n")
    said = person.run("sync", code=5).output
    assert "client reset" in said and "contacts: sent 1 new" in said


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('views = ["contacts"]', 'views = ["cards"]', "[pair.contacts] views"),
        ("[pair.contacts]", "[pair.Contacts]", "[pair.Contacts]"),
        ('direction = "both"', "way = 1", "way is no setting"),
        ("[server]", "[node]\n[server]", "[node] is no section"),
        ('contacts"\n', 'calendars/in"\n', "is in that of [pair.calendars]"),
    ],
)
def test_a_wrong_setting_is_told_with_its_place(person: Person, old: str, new: str, told: str) -> None:
    person.init()
    text = person.config.read_text()
    assert old in text
    person.config.write_text(text.replace(old, new))
    said = person.run("sync", code=3).output
    assert told in said and str(person.config) in said


def test_a_sync_that_finds_nothing_to_do_imports_nothing_that_only_a_change_needs(person: Person) -> None:
    person.init()
    person.run("sync")
    wanted = imported("client", "sync", **person.environment)
    needed = {"ctypes", "shutil", "subprocess", "mirror.wire.bulk"}
    assert wanted & needed == set()
    assert "mirror.client.keeping" in wanted


def test_a_sync_over_tls_waits_for_the_node_without_green_threads(person: Person) -> None:
    person.init("--trust", f"pin:{own_fingerprint(person.home / 'alpha')}")
    wanted = imported("client", "sync", "--quiet", **person.environment)  # progress is shown by rich, after a second
    assert "ssl" in wanted and wanted.isdisjoint({"gevent", "cryptography", "rich"})
    assert len(list(person.contacts.glob("*/*.vcf"))) == 10
    config = person.config.read_text()
    person.config.write_text(re.sub("pin:[0-9a-f]{64}", f"pin:{'0' * 64}", config))
    said = person.run("sync", code=7).output
    assert "expected was" in said and "'ctdlmirror client init' shows which one it is" in said
