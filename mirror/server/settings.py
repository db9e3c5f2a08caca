"""A node's files as its daemon takes them over: read and checked as a whole before anything of them counts.

The daemon's start, ``reload`` and ``config check`` ask this, so they say the same.  Changes nothing.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mirror.config.errors import ConfigError
from mirror.config.files import SECRETS_FILE
from mirror.config.reading import load_config
from mirror.config.secrets import load_invitations, load_passwords, load_secrets, orphans
from mirror.config.settings import Config
from mirror.peer.tls import client_context, ending, server_context
from mirror.store.open import check_url


class Settings(NamedTuple):
    """All that a node's files say, and what somebody should know of it though it is no error."""

    config: Config
    secrets: dict[str, str]
    invitations: dict[str, int]
    """Until when (Unix seconds) secrets of invited peers are good that have not joined."""
    passwords: dict[str, str]
    tls: ssl.SSLContext
    notes: tuple[str, ...]


def read_settings(directory: Path, starting: bool = False) -> Settings:
    """Read and check all files of a node.

    Raises ConfigError, StoreError for what a daemon cannot go by.  One that is ``starting`` serves all others though a
    peer's CA file cannot be read; that is a note then.
    """
    config, secrets = load_config(directory), load_secrets(directory)
    passwords, invitations = load_passwords(directory), load_invitations(directory)
    check_url(config.store.url)
    tls = server_context(directory)
    unprovable = list(_unprovable(config))
    if unprovable and not starting:
        raise ConfigError(unprovable[0])
    return Settings(config, secrets, invitations, passwords, tls, (*unprovable, *_notes(config, secrets, directory)))


def _unprovable(config: Config) -> Iterator[str]:
    for peer in config.peers:
        try:
            client_context(peer.trust)
        except ConfigError as error:
            yield f"[[peer]] {peer.name}: {error}"


def _notes(config: Config, secrets: dict[str, str], directory: Path) -> Iterator[str]:
    for name in orphans(config, secrets):
        yield f"{SECRETS_FILE} has a secret for {name}, which is no peer: it cannot log in"
    for peer in config.peers:
        if peer.name not in secrets:
            yield f"peer {peer.name} has no secret: run 'ctdlmirror peer add' again"
    if ends := ending(directory):
        yield ends
