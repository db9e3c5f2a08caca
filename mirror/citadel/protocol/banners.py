"""A server's system messages, told to who connects or logs in: from its files where they can be read, else as told.

The server tells them expanded, with its names in place of ``^humannode`` and the like, and cut into pieces where a
line is long, so only the files are what an administrator wrote.  Returns what was found; writes nothing.
"""

import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mirror.citadel.protocol.client import CitadelClient
from mirror.formats.errors import CitadelError

MESSAGES = "messages"
"""The directory of system messages, where a server's directory is all in one."""
MAX_BANNER = 1024 * 1024
"""Bytes of one system message at most."""


class Banners(msgspec.Struct):
    """The texts by their names, what could not be had, and what has to be known of them."""

    texts: dict[str, bytes] = {}
    refused: list[str] = []
    notices: list[str] = []
    told: bool = False
    """Whether they are as the server tells them, and not as they were written."""


def read_banners(client: CitadelClient, directory: Path | None, listdirs: bool = True) -> Banners:
    """Return a server's system messages.

    ``directory`` is the server's own on this machine, where that is known.
    """
    why = "they are files on the server's machine; --server-dir names its directory where that is this one"
    if directory is not None:
        messages = directory / MESSAGES
        if listdirs and not messages.is_dir():
            messages = directory / client.directories().get(MESSAGES, MESSAGES)
        try:
            return _from_files(messages)
        except OSError as error:
            why = f"{messages} cannot be read: {error.strerror}"
    found = _told(client)
    if found.texts:
        found.notices.append(
            f"{len(found.texts)} system messages were read as the server tells them, with its names in place of "
            f"^humannode and the like: {why}"
        )
    return found


def _from_files(messages: Path) -> Banners:
    """Read the files; raises OSError where the directory itself cannot be read."""
    found = Banners()
    for file in _regular_files(messages):
        where = f"system message {file.name!r}"
        try:
            file.name.encode()
            size = file.stat().st_size
            if size > MAX_BANNER:
                found.refused.append(f"{where}: it has {size} bytes, {MAX_BANNER} are the most")
            else:
                found.texts[file.name] = file.read_bytes()
        except UnicodeEncodeError:
            found.refused.append(f"{where}: its name is not UTF-8")
        except OSError as error:
            found.refused.append(f"{where}: {file} cannot be read: {error.strerror}")
    return found


def _regular_files(directory: Path) -> Iterator[Path]:
    for file in sorted(directory.iterdir()):
        if not file.name.startswith(".") and stat.S_ISREG(file.lstat().st_mode):
            yield file


def _told(client: CitadelClient) -> Banners:
    found = Banners(told=True)
    for name in client.banner_names():
        try:
            text = client.banner(name)
        except CitadelError as error:
            found.refused.append(f"system message {name!r}: {error}")
            continue
        if text is not None:
            found.texts[name] = text
    return found
