"""Where a person's password comes from: a command, the desktop's keyring, or a file that only that person may read.

Never from the command line, which others see.
"""

import os
import stat
from pathlib import Path

from mirror.client.config import BadConfig, ServerSettings

COMMAND_SECONDS = 120
"""How long a command may take: it may ask for a passphrase."""


def password_of(server: ServerSettings, account: str) -> str:
    """Return the password as the settings say where it is.  Raises BadConfig."""
    if server.password_command:
        return _printed(server.password_command, "password_command")
    if server.password_keyring:
        return _printed(
            ["secret-tool", "lookup", "service", server.password_keyring, "account", account], "password_keyring"
        )
    if server.password_file:
        return read_private(Path(server.password_file).expanduser())
    raise BadConfig("[server] says with none of password_command, password_keyring and password_file where it is")


def _printed(command: list[str], setting: str) -> str:
    import subprocess  # most have a file

    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadConfig(f"[server] {setting}: {command[0]} cannot be run: {error}") from None
    password = _first_line(done.stdout)
    if done.returncode or not password:
        raise BadConfig(f"[server] {setting}: {command[0]} ended with {done.returncode} and printed no password")
    return password


def read_private(path: Path) -> str:
    """Return the first line of a file that nobody else may read.  Raises BadConfig."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
                raise BadConfig(f"{path} can be read by others: run 'chmod 600 {path}'")
            password = _first_line(file.read(4096))
    except OSError as error:
        raise BadConfig(f"{path} cannot be read: {error.strerror}") from None
    if not password:
        raise BadConfig(f"{path} is empty: its first line is the password")
    return password


def _first_line(data: bytes) -> str:
    return data.partition(b"\n")[0].removesuffix(b"\r").decode("utf-8", "surrogateescape")
