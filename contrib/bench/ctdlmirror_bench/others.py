"""Other programs with the same messages: Dovecot's dsync, and isync's mbsync."""

import os
import pwd
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from exports import message_bytes
from other_programs import dovecot, dovecot_settings

from ctdlmirror_bench.filling import sizes


class Maildir:
    """The same messages as a Maildir, and a Dovecot configuration that serves it."""

    def __init__(self, directory: Path, kind: str, count: int) -> None:
        chance = random.Random(980)
        self.directory = directory
        self.bytes = 0
        for name in ("cur", "new", "tmp"):
            (directory / "source" / name).mkdir(parents=True)
        for number, size in enumerate(sizes(kind, count, chance), 1):
            header = f"From: a@example.org\nSubject: {number}\nMessage-ID: <{number}@big>\n\n".encode()
            text = header + message_bytes(number, size, chance)[60:-1].replace(b"\0", b" ") + b"\n"
            self.bytes += len(text)
            (directory / "source" / "cur" / f"{1_700_000_000 + number}.M{number}P1.big:2,S").write_bytes(text)
        # Dovecot will not touch mail as root, so root gives the Maildir to nobody.
        self.account = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        directory.chmod(0o755)
        if os.geteuid() == 0:
            for place, _, files in os.walk(directory):
                for path in (place, *(os.path.join(place, file) for file in files)):
                    os.chown(path, self.account.pw_uid, self.account.pw_gid)
        self.environment = {**os.environ, "USER": self.account.pw_name, "HOME": str(directory)}

    @property
    def location(self) -> str:
        """Where Dovecot finds the messages."""
        return str(self.directory / "source")


def timed_twice(
    what: str, kind: str, count: int, size: int, command: list[str], environment: dict[str, str]
) -> dict[str, Any]:
    """Run a command twice: the second time there is nothing to do."""
    times = []
    for _ in range(2):
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        times.append(time.perf_counter() - started)
        if done.returncode:
            raise click.ClickException(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[:300]}")
    return {
        "what": f"{what} of {count} {kind} messages",
        "seconds": round(times[0], 2),
        "messages_per_s": round(count / times[0]),
        "MB_per_s": round(size / times[0] / 1e6, 1),
        "nothing_to_do_s": round(times[1], 2),
    }


@contextmanager
def scratch_maildir(kind: str, count: int, *programs: str) -> Iterator[Maildir]:
    for program in programs:
        if shutil.which(program) is None:
            raise click.ClickException(f"{program} is not installed (Debian: dovecot-imapd, isync)")
    directory = Path(tempfile.mkdtemp(prefix="ctdlmirror-bench-"))
    try:
        yield Maildir(directory, kind, count)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def measure_dsync(kind: str, count: int) -> dict[str, Any]:
    """Time Dovecot's dsync with the same messages, Maildir to Maildir."""
    with scratch_maildir(kind, count, "doveadm") as mail:
        settings = dovecot_settings(mail.directory, mail.location, mail.account)
        command = ["doveadm", "-c", str(settings), "backup", f"maildir:{mail.directory}/copy"]
        return timed_twice("Dovecot dsync", kind, count, mail.bytes, command, mail.environment)


def measure_mbsync(kind: str, count: int) -> dict[str, Any]:
    """Time isync's mbsync with the same messages, from IMAP on loopback to a Maildir."""
    with scratch_maildir(kind, count, "dovecot", "mbsync") as mail, mbsync_of(mail) as command:
        return timed_twice("mbsync over IMAP", kind, count, mail.bytes, command, dict(os.environ))


@contextmanager
def mbsync_of(mail: Maildir) -> Iterator[list[str]]:
    """Serve a Maildir by Dovecot on loopback, and give the command that keeps ``copy`` equal with it."""
    with dovecot(mail.directory, mail.location, mail.account) as port:
        (mail.directory / "copy").mkdir()
        settings = mail.directory / "mbsyncrc"
        settings.write_text(
            f"""IMAPAccount big
Host 127.0.0.1
Port {port}
User big
Pass none
SSLType None
AuthMechs LOGIN

IMAPStore far
Account big

MaildirStore near
Path {mail.directory}/copy/
Inbox {mail.directory}/copy/INBOX

Channel all
Far :far:
Near :near:
Patterns INBOX
Create Near
SyncState *
"""
        )
        yield ["mbsync", "-c", str(settings), "all"]
