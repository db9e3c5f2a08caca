"""By which door a server is asked: a citadel: URL, its password, its directory on this machine."""

import os
import sys
from pathlib import Path
from typing import NamedTuple

import click

from mirror.addresses import Address, ServerPlace
from mirror.citadel.bootstrap import Place, require_private_line
from mirror.cli.setup import read_secret_file
from mirror.config.errors import ConfigError
from mirror.config.settings import Config

password_file_option = click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="citadel://: file with the password (else $CITADEL_PASSWORD or a prompt).",
)
server_dir_option = click.option(
    "--server-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="citadel://: the server's directory on this machine, for its system messages as they were written.",
)


PASSWORD_VARIABLE = "CITADEL_PASSWORD"


def is_password_given(file: Path | None) -> bool:
    """Tell whether a password is there without anybody being asked."""
    return file is not None or PASSWORD_VARIABLE in os.environ


def ask_password(user: str, file: Path | None) -> str:
    """Return the password of a server's administrator, which stands in no command line.  Raises ConfigError."""
    if file is not None:
        return read_secret_file(file)
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if not sys.stdin.isatty():
        raise ConfigError("no password: give --password-file FILE or set " + PASSWORD_VARIABLE)
    return str(click.prompt(f"Password of {user}", hide_input=True, err=True))


class Door(NamedTuple):
    """Where a server is asked and by whom: without a ``user`` nobody logs in; its directory, where that is known."""

    place: Place
    user: str
    password: str
    directory: Path | None


def open_door(config: Config, place: ServerPlace, password_file: Path | None, server: Path | None) -> Door:
    """Return what a citadel: URL names.  Raises ConfigError."""
    where, user = place.where, place.user
    if isinstance(where, Address):
        require_private_line(config, where)
    else:
        server = server or where
    return Door(where, user, ask_password(user, password_file) if user else "", server)
