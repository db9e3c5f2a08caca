"""A copy of a real server, on ports of our own, that surely ends with us.

``SERVERDIR`` is a Citadel as it is installed: the program ``citserver``, the directory ``messages/``, and, where it was
run before, ``data/``, ``files/`` and ``keys/``.  Nothing is ever written there.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from try_live import keeper
from try_live.errors import TrialFailed
from try_live.isolation import real_root
from try_live.session import Session

PROGRAM = "citserver"
COPIED = ("messages", "data", "files", "keys")
"""What is copied of a server's directory, where it is there."""
ADMIN_SOCKET = "citadel-admin.socket"
RECOVER = ("db_recover", "db5.3_recover")
"""The program of Berkeley DB that recovers a database, as it may be called."""
NOBODY = 65534
"""The numeric user that the server runs as, where we may choose."""
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 2 * keeper.PATIENCE_S
LOOK_S = 0.05
FIRST_PORT = 20_000
"""The first server's Citadel port; IMAP is the next one.  Nobody else uses them: the network is our own."""
_OFF = (
    "c_smtp_port", "c_msa_port", "c_smtps_port", "c_pop3_port", "c_pop3s_port", "c_imaps_port", "c_pftcpdict_port",
    "c_xmpp_c2s_port", "c_xmpp_s2s_port", "c_nntp_port", "c_nntps_port",
)  # fmt: skip


def require_server(directory: Path) -> None:
    """Raise TrialFailed unless a server can be started from what is in a directory."""
    for name in (PROGRAM, "messages"):
        if not (directory / name).exists():
            raise TrialFailed(f"{directory} has no {name}: give a directory with a built Citadel (see --help)")
    if _answers(directory / ADMIN_SOCKET):
        raise TrialFailed(f"a server runs in {directory}: stop it, or give a copy made while it was stopped")


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


class LiveServer:
    """One running copy.  Use it in a ``with``: that ends it, whatever happens."""

    def __init__(
        self, source: Path, home: Path, name: str = "alpha", port: int = FIRST_PORT, *, fresh: bool = False
    ) -> None:
        """``home`` is where the copy is made; ``name`` is the node name of a server that has no data yet.

        ``fresh`` leaves out what data there is.
        """
        self.home, self.name, self.port, self.imap_port = home, name, port, port + 1
        self._program = source / PROGRAM
        self._user = NOBODY if real_root() else 0
        self._keeper: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._copy(source, COPIED[:1] if fresh else COPIED)

    def __enter__(self) -> "LiveServer":
        try:
            self._start_first()
        except BaseException:
            self.stop()
            raise
        return self

    def _start_first(self) -> None:
        self.start()
        self._set_ports()
        self.restart()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def admin_socket(self) -> Path:
        return self.home / ADMIN_SOCKET

    @property
    def user_socket(self) -> Path:
        return self.home / "citadel.socket"

    @property
    def lmtp_socket(self) -> Path:
        return self.home / "lmtp-unfiltered.socket"

    @property
    def pid(self) -> int:
        """The number of the server's process.  Raises TrialFailed where it does not run."""
        if self._keeper is not None:
            children = Path(f"/proc/{self._keeper.pid}/task/{self._keeper.pid}/children").read_text().split()
            if children:
                return int(children[0])
        raise TrialFailed("the server does not run")

    @property
    def is_running(self) -> bool:
        return self._keeper is not None

    def start(self) -> None:
        """Start the server and wait until it answers.  Raises TrialFailed."""
        for left in [*self.home.glob("*.socket"), self.home / "citadel.lock"]:
            left.unlink(missing_ok=True)
        self._log = (self.home / "log").open("ab")
        command = [str(self._program), "-u", str(self._user), "-h", str(self.home), "-x", "6"]
        self._keeper = subprocess.Popen(
            [sys.executable, keeper.__file__, *command],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self._wait_until_it_answers()

    def stop(self) -> None:
        """End the server, if it runs, and wait until it has ended."""
        if self._keeper is None or self._keeper.stdin is None:
            return
        self._keeper.stdin.close()
        self._keeper.wait(STOP_TIMEOUT_S)
        self._keeper = None
        if self._log is not None:
            self._log.close()

    def kill(self) -> None:
        """End the server as a crash does, and put its database in order again.

        Version 980 opens it without looking whether it was closed, and goes on with whatever is there.  Raises
        TrialFailed.
        """
        recover = next(filter(None, map(shutil.which, RECOVER)), None)
        if recover is None:
            raise TrialFailed(f"there is no {RECOVER[0]}, which a killed server needs: install db-util, or --kills 0")
        if self._keeper is not None:
            os.killpg(self._keeper.pid, signal.SIGKILL)
            self._keeper.wait(STOP_TIMEOUT_S)
        self.stop()
        owner = {"user": self._user, "group": self._user} if self._user else {}
        subprocess.run([recover, "-h", str(self.home / "data")], check=True, **owner)

    def back_up(self, directory: Path) -> None:
        """Copy the data of the server, which has to be stopped."""
        for name in COPIED:
            if (self.home / name).exists():
                shutil.copytree(self.home / name, directory / name, symlinks=True)

    def restore(self, directory: Path) -> None:
        """Put a copy in the place of the data of the server, which has to be stopped."""
        for name in COPIED:
            shutil.rmtree(self.home / name, ignore_errors=True)
        self._take(directory)

    def begin_anew(self) -> None:
        """Move the data of the server away, and start it: it is empty.  Raises TrialFailed."""
        self.stop()
        shutil.rmtree(self.home / "data")
        self._hurry()
        if self._user:
            for path in [self.home / "data", *(self.home / "data").iterdir()]:
                shutil.chown(path, self._user, self._user)
        self._fresh = True
        self._start_first()

    def restart(self) -> None:
        """End the server and start it again, as one has to after an import or export."""
        self.stop()
        self.start()

    def version(self) -> str:
        """Return the server's version, as it says it."""
        with Session(self.admin_socket) as session:
            return session.lines("INFO")[4]

    def _copy(self, source: Path, names: Sequence[str]) -> None:
        self.home.mkdir(parents=True, mode=0o700)
        self._fresh = "data" not in names or not (source / "data").exists()
        self._take(source, names)

    def _take(self, source: Path, names: Sequence[str] = COPIED) -> None:
        for name in names:
            if (source / name).exists():
                shutil.copytree(source / name, self.home / name, symlinks=True)
        self._hurry()
        if self._user:
            for path in [self.home, *self.home.rglob("*")]:
                shutil.chown(path, self._user, self._user)

    def _hurry(self) -> None:
        """Have the database not wait for the disk at each change, 25 times as fast: this copy is thrown away.

        What it has written is in the kernel's hands all the same, so it stays when the server is killed.
        """
        data = self.home / "data"
        data.mkdir(mode=0o700, exist_ok=True)
        with (data / "DB_CONFIG").open("a") as file:
            file.write("set_flags DB_TXN_WRITE_NOSYNC\n")

    def _set_ports(self) -> None:
        settings = dict.fromkeys(_OFF, "-1")
        settings |= {"c_port_number": str(self.port), "c_imap_port": str(self.imap_port), "c_ip_addr": "127.0.0.1"}
        if self._fresh:
            settings |= {"c_nodename": self.name, "c_fqdn": f"{self.name}.example.org", "c_humannode": self.name}
        with Session(self.admin_socket) as session:
            for name, value in settings.items():
                session.ask(f"CONF PUTVAL|{name}|{value}")

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._keeper is None or self._keeper.poll() is not None:
                raise TrialFailed(f"the server did not start: {self._last_words()}")
            try:
                Session(self.admin_socket).close()
                return
            except OSError:
                # There is nothing to wait for but the socket itself, whose making the server does not tell.
                time.sleep(LOOK_S)
        raise TrialFailed(f"the server does not answer: {self._last_words()}")

    def _last_words(self) -> str:
        lines = (self.home / "log").read_text("utf-8", "replace").splitlines()
        return lines[-1][:200] if lines else "it said nothing"
