"""A node's directory: which files are in it, and that they are read, and replaced in one step, as its owner's alone.

Knows no setting.
"""

import tomllib
from pathlib import Path
from typing import Any

from mirror.config.errors import ConfigError
from mirror.owned import replace_owned

CONFIG_FILE = "mirror.toml"
SECRETS_FILE = "secrets.toml"
CERTIFICATE_FILE = "tls.crt"
PRIVATE_KEY_FILE = "tls.key"
ADMIN_SOCKET = "admin.socket"
MAX_SOCKET_PATH = 107
"""Bytes in the path of a socket, as Linux has it (unix(7))."""


def make_directory(directory: Path) -> None:
    """Make a node's directory, readable by its owner alone, unless it is there.  Raises ConfigError."""
    spare = MAX_SOCKET_PATH - len(bytes(directory.absolute() / ADMIN_SOCKET))
    if spare < 0:
        raise ConfigError(
            f"{directory} is {-spare} bytes too long for the admin socket in it; choose another with --dir"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"{directory} cannot be made: {error.strerror}; choose another with --dir") from None


def read_toml(path: Path, advice: str) -> dict[str, Any]:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist: {advice}") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    return parse_toml(text, str(path))


def parse_toml(text: bytes, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{where}: {error}") from None
    except RecursionError:
        raise ConfigError(f"{where}: it is nested too deeply") from None


def check_private(path: Path) -> None:
    """Raise ConfigError when a file that holds secrets may be read by others."""
    if path.exists() and path.stat().st_mode & 0o077:
        raise ConfigError(f"{path} holds secrets and may be read by others: run 'chmod 600 {path}'")


def write_private(path: Path, text: str) -> None:
    """Replace a file of a node's directory that only its owner may read, in one step.  Raises ConfigError."""
    try:
        replace_owned(path, text)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}; what was there is unchanged") from None
