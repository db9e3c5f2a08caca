"""Other people's servers on loopback, and the settings of what asks them: for tests, and for benchmarks beside us."""

import pwd
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

STARTS_S = 30
"""Seconds within which a server has to listen, and to end."""
VDIRSYNCER = """[general]
status_path = "{home}/vdirsyncer"
[pair beside]
a = "ours"
b = "radicale"
collections = [["calendar", "Calendar", "{collection}"]]
[storage ours]
type = "filesystem"
path = "{calendars}"
fileext = ".ics"
[storage radicale]
type = "caldav"
url = "http://127.0.0.1:{port}/"
username = "{user}"
password = "{user}"
"""
"""Keeps the folder Calendar equal with a collection of a CalDAV server on this machine."""


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for_port(port: int, program: str, seconds: float = STARTS_S) -> None:
    """Wait until a program listens on a port of this machine.  Raises ClickException."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)  # it tells nobody when it listens
    raise click.ClickException(f"{program} did not start")


def dovecot_settings(directory: Path, mail: str, account: pwd.struct_passwd, port: int = 0) -> Path:
    """Write a Dovecot configuration for mail at a place (``path``, or ``path:INDEX=path``); returns its path.

    Mail is touched as ``account``, which is not root: Dovecot refuses that.  IMAP is on ``port``, for any password.
    """
    path = directory / "dovecot.conf"
    path.write_text(
        f"""base_dir = {directory}/run
state_dir = {directory}/run
log_path = {directory}/log
ssl = no
disable_plaintext_auth = no
protocols = imap
listen = 127.0.0.1
mail_uid = {account.pw_uid}
mail_gid = {account.pw_gid}
first_valid_uid = 0
first_valid_gid = 0
mail_location = maildir:{mail}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={account.pw_uid} gid={account.pw_gid} home={directory}
}}
"""
    )
    return path


@contextmanager
def dovecot(
    directory: Path, mail: str, account: pwd.struct_passwd, program: str = "dovecot", seconds: float = STARTS_S
) -> Iterator[int]:
    """Serve mail by Dovecot on loopback, as ``dovecot_settings`` says; gives the port of IMAP."""
    port = free_port()
    settings = dovecot_settings(directory, mail, account, port)
    server = subprocess.Popen([program, "-F", "-c", str(settings)], stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port, "dovecot", seconds)
        yield port
    finally:
        server.terminate()
        server.wait(seconds)
