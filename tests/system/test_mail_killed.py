"""The client's command, killed at random instants while it keeps mail equal: it repeats harmlessly, nothing is lost."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mail_persons import fill, mail, mail_in
from nodes import NodeProcess

from mirror.cli.processes import PROGRAM
from mirror.client.config import MAILDIR, PairSettings, ServerSettings, written
from mirror.store.open import open_store

KILLS = 5
MESSAGES = 30


class Client:
    """A person's machine, where the real command runs."""

    def __init__(self, home: Path, address: str) -> None:
        self.root = home / "mail"
        self._environment = {**os.environ, "XDG_STATE_HOME": str(home / "state")}
        home.mkdir()
        (home / "password").write_text("x\n")
        (home / "password").chmod(0o600)
        server = ServerSettings(address, "Ann", "plain", password_file=str(home / "password"))
        config = home / "client.toml"
        config.write_text(written(server, {"mail": PairSettings(str(self.root), ["mail"], kind=MAILDIR)}))
        self._command = [*PROGRAM, "client", "--config", str(config), "sync", "--accept-deletions"]

    def start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(self._command, env=self._environment, stdout=subprocess.DEVNULL)

    def sync(self) -> float:
        """Run it to its end; return how long that takes (seconds)."""
        begun = time.monotonic()
        process = self.start()
        assert process.wait(60) == 0
        return time.monotonic() - begun

    def mail(self) -> dict[str, list[tuple[str, bytes]]]:
        """Return the messages that programs see, by folder: flags and bytes."""
        return mail_in(self.root)

    def change(self, chance: random.Random, first: int) -> tuple[set[bytes], set[bytes]]:
        """Deliver, flag, move and delete as programs do; return what came, and what was deleted."""
        came = {mail(number, f"text {number}") for number in range(first, first + MESSAGES)}
        for number, data in enumerate(sorted(came)):
            (self.root / "new" / f"{first}.{number}.made").write_bytes(data)
        deleted = set()
        for file in sorted((self.root / "cur").iterdir()) + sorted((self.root / "new").iterdir())[: MESSAGES // 2]:
            unique, act = file.name.partition(":2,")[0], chance.randrange(4)
            if act == 0:
                file.rename(self.root / ".Archive.2024" / "cur" / f"{unique}:2,S")
            elif act == 1:
                deleted.add(file.read_bytes())
                file.unlink()
            else:
                file.rename(self.root / "cur" / f"{unique}:2,{chance.choice(('S', 'FS', 'RS'))}")
        return came, deleted


@pytest.fixture
def client(tmp_path: Path, node: Callable[[str], NodeProcess]) -> Callable[[str], Client]:
    server = node("m")
    store = open_store(server.directory, "m")
    store.write(fill)
    store.close()
    address = server.start()
    return lambda name: Client(tmp_path / name, address)


def test_killed_at_any_instant_it_repeats_harmlessly(client: Callable[[str], Client]) -> None:
    chance = random.Random(19)
    laptop, desk = client("laptop"), client("desk")
    laptop.sync()
    came, deleted = laptop.change(chance, 0)
    whole = laptop.sync()
    desk.sync()
    for number in range(1, KILLS + 1):
        who = chance.choice((laptop, desk))
        more, gone = who.change(chance, number * MESSAGES)
        came, deleted = came | more, deleted | gone
        process = who.start()
        time.sleep(chance.uniform(0.2, 1.0) * whole)  # the instant is the test
        process.send_signal(signal.SIGKILL)
        process.wait()
    for one in (laptop, desk, laptop, desk):
        one.sync()
    assert laptop.mail() == desk.mail()
    there = [data for messages in laptop.mail().values() for _, data in messages]
    assert len(there) == len(set(there))
    # What one deleted while the other moved it is where that moved it.
    assert came - deleted <= set(there) < came
    assert not [file for one in (laptop, desk) for file in one.root.glob("**/tmp/*")]
