"""Programs of mail that people use, in a folder that the client keeps equal: neomutt, and Dovecot with IMAP."""

import imaplib
import os
import pty
import pwd
import select
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import other_programs
import pytest
from mail_persons import MailMachine, mail, mail_machines_on, node_at
from programs import need

PROGRAM_S = 60
"""Seconds within which a program has to be done."""
Make = Callable[[str], MailMachine]


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that other users may enter: Dovecot reads mail as one of them."""
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def machine(home: Path) -> Iterator[Make]:
    with node_at(home / "node") as node, mail_machines_on(node, home) as make:
        yield make


def neomutt(machine: MailMachine, home: Path, keys: str) -> None:
    """Have neomutt open the inbox, press keys, and end."""
    program = need("neomutt", "neomutt")
    root = shlex.quote(str(machine.root))
    (home / "neomuttrc").write_text(
        f"""set mbox_type=Maildir folder={root} spool_file={root} record="+.Archive.2024"
set from="ann@m.example" real_name=Ann use_from sendmail=/bin/true
set editor="printf 'my answer\\n' >>" abort_unmodified=no abort_nosubject=no auto_edit fast_reply include=no
set move=no delete=yes confirm_append=no confirm_create=no quit=yes wait_key=no beep=no sleep_time=0 sort=subject
push "{keys}<sync-mailbox><quit>"
"""
    )
    environment = {**os.environ, "TERM": "xterm", "HOME": str(home), "LC_ALL": "C.UTF-8"}
    number, terminal = pty.fork()
    if number == 0:
        os.execve(program, [program, "-n", "-F", str(home / "neomuttrc")], environment)
    try:
        _until_its_end(number, terminal)
    finally:
        os.close(terminal)
        os.waitpid(number, 0)


def _until_its_end(number: int, terminal: int) -> None:
    shown = b""
    until = time.monotonic() + PROGRAM_S
    while select.select([terminal], [], [], max(0.0, until - time.monotonic()))[0]:
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # it has ended
            return
    os.kill(number, signal.SIGKILL)
    pytest.fail(f"neomutt did not end: {shown[-2000:]!r}")


def test_neomutt_reads_answers_and_moves_mail(machine: Make, home: Path) -> None:
    laptop, desk = machine("laptop"), machine("desk")
    laptop.sync()
    for number in range(3):
        laptop.put(f"new/{number}.x", mail(number))
    laptop.sync()
    neomutt(laptop, home, "<first-entry><display-message><exit><reply><send-message>")
    laptop.sync()
    desk.sync()
    assert desk.mail() == laptop.mail()
    assert {data: flags for flags, data in desk.mail()["."]} == {mail(0): "RS", mail(1): "", mail(2): ""}
    ((flags, answer),) = desk.mail()[".Archive.2024"]
    assert flags == "S" and b"Subject: Re: number 0" in answer and b"my answer" in answer
    neomutt(laptop, home, "<last-entry><save-message>=.Archive.2024<enter><first-entry><flag-message>")
    assert laptop.sync().sent["moved"] == 1
    desk.sync()
    assert {data: flags for flags, data in desk.mail()["."]} == {mail(0): "FRS", mail(1): ""}
    moved = [data for _, data in laptop.mail()[".Archive.2024"] if data != answer]
    assert len(moved) == 1 and b"Content-Length" in moved[0]  # what neomutt wrote for itself stays here
    assert sorted(data for _, data in desk.mail()[".Archive.2024"]) == sorted([answer, mail(2)])


@contextmanager
def dovecot(machine: MailMachine, home: Path) -> Iterator[Callable[[], imaplib.IMAP4]]:
    """Serve a machine's Maildir by Dovecot on loopback; gives what logs in there."""
    program = need("dovecot", "dovecot-imapd")
    if os.geteuid() != 0:
        pytest.skip("Dovecot is started by root alone")
    account = pwd.getpwnam("nobody")  # it touches no mail as root
    directory = home / "dovecot"
    (directory / "index").mkdir(parents=True)

    def log_in() -> imaplib.IMAP4:
        for path in (directory / "index", machine.root, *machine.root.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid)  # the client is root here
        connection = imaplib.IMAP4("127.0.0.1", port)
        connection.login("ann", "x")
        return connection

    location = f"{machine.root}:INDEX={directory}/index"
    with other_programs.dovecot(directory, location, account, program, PROGRAM_S) as port:
        yield log_in


def test_dovecot_serves_flags_keywords_appends_moves_and_expunges(machine: Make, home: Path) -> None:
    laptop, desk = machine("laptop"), machine("desk")
    desk.sync()
    for number in range(4):
        desk.put(f"new/{number}.x", mail(number))
    desk.sync()
    laptop.sync()
    with dovecot(laptop, home) as log_in:
        imap = log_in()
        assert imap.select("INBOX") == ("OK", [b"4"])
        _change(imap)
        assert laptop.sync().sent["moved"] == 1
        desk.sync()
        appended = mail(9).replace(b"\r\n", b"\n")  # Dovecot keeps it so
        assert {data: flags for flags, data in desk.mail()["."]} == {mail(0): "FSa", mail(3): "", appended: "R"}
        assert [data for _, data in desk.mail()[".Archive.2024"]] == [mail(2)]
        assert "Work" in (desk.root / "dovecot-keywords").read_text()
        _change_elsewhere(desk, appended)
        laptop.sync()
        imap = log_in()
        assert imap.select("INBOX") == ("OK", [b"2"])
        (told,) = imap.fetch(_number(imap, 0), "(FLAGS)")[1]
        assert isinstance(told, bytes) and all(flag in told for flag in (b"\\Draft", b"\\Seen", b"Work"))
        imap.logout()


def _change(imap: imaplib.IMAP4) -> None:
    """Do what a program of mail does: flags, a keyword, a message moved, one deleted, one appended."""
    numbers = [_number(imap, number) for number in range(4)]
    imap.store(numbers[0], "+FLAGS", r"(\Seen \Flagged Work)")
    assert imap.copy(numbers[2], "Archive.2024")[0] == "OK"
    for number in numbers[1:3]:
        imap.store(number, "+FLAGS", r"(\Deleted)")
    imap.expunge()
    assert imap.append("INBOX", r"(\Answered)", "", mail(9))[0] == "OK"
    imap.logout()


def _number(imap: imaplib.IMAP4, number: int) -> str:
    found: list[bytes] = imap.search(None, "HEADER", "Subject", f'"number {number}"')[1][0].split()
    return found[0].decode()


def _change_elsewhere(desk: MailMachine, deleted: bytes) -> None:
    """Change flags, and delete something, on a machine that Dovecot does not serve."""
    for file in (desk.root / "cur").iterdir():
        if file.read_bytes() == mail(0):
            file.rename(file.with_name(file.name.replace(":2,FSa", ":2,DSa")))
        elif file.read_bytes() == deleted:
            file.unlink()
    desk.sync()
