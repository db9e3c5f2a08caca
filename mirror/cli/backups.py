"""Backups of a node as one file, and putting one back: store, configuration, secrets, certificate, peers' authorities.

All is done by the command itself, so FILE is where whoever types it sees it, whatever the daemon may see.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from mirror.cli.app import EXIT_DIFFERENT, cli
from mirror.cli.output import json_option, report
from mirror.config.changing import save_peer
from mirror.config.checking import authority_file
from mirror.config.errors import ConfigError
from mirror.config.files import (
    CERTIFICATE_FILE,
    CONFIG_FILE,
    PRIVATE_KEY_FILE,
    SECRETS_FILE,
    make_directory,
    write_private,
)
from mirror.config.reading import load_config, parse_config
from mirror.config.settings import Config, Peer
from mirror.store.open import back_up, files_in
from mirror.store.restore import restore as restore_store

KEPT = (CONFIG_FILE, SECRETS_FILE, CERTIFICATE_FILE, PRIVATE_KEY_FILE)
"""The files of a node beside its store."""
CERTIFICATE = {CERTIFICATE_FILE, PRIVATE_KEY_FILE}


@cli.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@click.pass_obj
def backup(directory: Path, file: Path, as_json: bool) -> None:
    """Write the node to FILE, also while the daemon runs: store, settings, secrets, certificates.

    FILE holds passwords, and only you can read it.  It is an SQLite database; 'sqlite3 FILE -A -t' lists what is in it
    beside the store.
    """
    config = load_config(directory)
    try:
        files = {name: path.read_bytes() for name, path in _files_of(config) if path.exists()}
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be read: {error.strerror}") from None
    back_up(directory, file, files, config.store.url)
    size = file.stat().st_size
    values = {"file": str(file.absolute()), "bytes": size, "files": sorted(files)}
    report(as_json, values, f"{file}: {size:,} bytes: the store, {', '.join(files)}.")


def _files_of(config: Config) -> Iterator[tuple[str, Path]]:
    """Yield what the files of a node are called in a backup, and where they are."""
    yield from ((name, config.path(name)) for name in KEPT)
    for peer in config.peers:
        path = authority_file(peer.trust)
        if path is not None:
            yield _name_of_authority(peer), path


def _name_of_authority(peer: Peer) -> str:
    return f"ca-{peer.name}.pem"


@cli.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@json_option
@click.pass_obj
def restore(directory: Path, file: Path, as_json: bool) -> None:
    """Put a node back from a backup FILE.  It gets a new epoch, so the peers reconcile with it.

    Of mirror.toml, secrets.toml and the certificate what is there stays; what is missing comes from the backup.  So do
    files of authorities that peers are trusted by ('ca:FILE'): into the node's directory, where mirror.toml says so.
    """
    files = files_in(file)
    config = _config(directory, file, files)
    missing = _missing(directory, files)
    make_directory(directory)

    def put_files_back() -> None:
        for name in missing:
            write_private(directory / name, files[name].decode())
        missing.extend(_put_authorities_back(directory, files))

    restored = restore_store(directory, config.node, file, config.store.url, put_files_back)
    checked = restored.report
    values = {"records": checked.records, "problems": checked.problems, "epoch": restored.epoch, "files": missing}
    put_back = [f"Put back: {', '.join(missing)}."] if missing else []
    problems = len(checked.problems) or "no"
    told = f"{checked.records} records are back, {problems} problems; epoch {restored.epoch}."
    report(as_json, values, *checked.problems, *put_back, told)
    sys.exit(EXIT_DIFFERENT if checked.problems else 0)


def _put_authorities_back(directory: Path, files: dict[str, bytes]) -> Iterator[str]:
    """Put the files of authorities that are not where mirror.toml says into the node's directory; yield their names."""
    for peer in load_config(directory).peers:
        name, path = _name_of_authority(peer), authority_file(peer.trust)
        place = directory.absolute() / name
        if path is None or path.exists() or os.path.lexists(place) or name not in files:
            continue
        write_private(place, files[name].decode("utf-8", "replace"))  # where it is no text, it is a comment
        save_peer(directory, msgspec.structs.replace(peer, trust=f"ca:{place}"))
        yield name


def _config(directory: Path, file: Path, files: dict[str, bytes]) -> Config:
    """Return the node's configuration, from the backup if none is there.  Raises ConfigError."""
    if os.path.lexists(directory / CONFIG_FILE) or CONFIG_FILE not in files:
        return load_config(directory)
    return parse_config(directory, files[CONFIG_FILE], f"{file}: {CONFIG_FILE}")


def _missing(directory: Path, files: dict[str, bytes]) -> list[str]:
    """Return which files come from the backup; a key and its certificate only together."""
    missing = [name for name in KEPT if name in files and not os.path.lexists(directory / name)]
    whole = set(missing) >= CERTIFICATE
    return [name for name in missing if whole or name not in CERTIFICATE]
