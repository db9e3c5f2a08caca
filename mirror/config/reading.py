"""mirror.toml read as settings, and written for a new node with all of them; a wrong value is named with its key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mirror.addresses import ServerPlace
from mirror.config.checking import made, why_not_both
from mirror.config.errors import ConfigError
from mirror.config.files import CONFIG_FILE, SECRETS_FILE, parse_toml, read_toml
from mirror.config.settings import (
    SECTIONS,
    Attachment,
    Config,
    ListenSettings,
    LogSettings,
    NodeSettings,
    Peer,
    ReplicationSettings,
    StoreSettings,
)
from mirror.declared import BadSetting, comment, named, read_table, write_example, write_table

T = TypeVar("T", bound=msgspec.Struct)


def load_config(directory: Path) -> Config:
    """Read a node's configuration.  Raises ConfigError."""
    path = directory / CONFIG_FILE
    return _checked(directory, read_toml(path, "run 'ctdlmirror init' first"), str(path))


def parse_config(directory: Path, text: bytes, where: str) -> Config:
    """Read the configuration of a node from a file's bytes; ``where`` names them in errors.  Raises ConfigError."""
    return _checked(directory, parse_toml(text, where), where)


def _checked(directory: Path, document: dict[str, Any], where: str) -> Config:
    try:
        return _read_document(directory, document)
    except BadSetting as error:
        raise ConfigError(f"{where}: {error}") from None


def _read_document(directory: Path, document: dict[str, Any]) -> Config:
    if unknown := document.keys() - {*SECTIONS, "peer", "attach"}:
        known = f"{', '.join(sorted(SECTIONS))}, [[peer]] and [[attach]]"
        raise BadSetting(f"[{named(min(unknown))}] is no section; known are {known}")

    def section(name: str, kind: type[T]) -> T:
        return read_table(document.get(name, {}), kind, f"[{name}]", made)

    return Config(
        directory,
        section("node", NodeSettings).name,
        section("listen", ListenSettings),
        section("store", StoreSettings),
        section("replication", ReplicationSettings),
        section("log", LogSettings),
        list(_read_peers(document.get("peer", []))),
        list(_read_attachments(document.get("attach", []))),
    )


def _read_peers(tables: object) -> Iterator[Peer]:
    for where, table in _tables(tables, "peer"):
        if table.get("address") == "":  # as good as left out
            del table["address"]
        yield read_table(table, Peer, where, made)


def _read_attachments(tables: object) -> Iterator[Attachment]:
    places: set[ServerPlace] = set()
    for where, table in _tables(tables, "attach"):
        place = str(table.get("place", ""))
        if ":" in place.partition("://")[2].rpartition("@")[0]:  # is never shown
            raise BadSetting(f"{where} place has a password in it: it belongs into {SECRETS_FILE}, under [places]")
        one = read_table(table, Attachment, where, made)
        if one.place in places:
            raise BadSetting(f"{where} {one.place} is attached already")
        if wrong := why_not_both(one):
            raise BadSetting(f"{where} {wrong}")
        places.add(one.place)
        yield one


def _tables(tables: object, section: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the tables of an array, each with what errors call it.  Raises BadSetting; also for two of one name."""
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        article, what = ("an", "attachment") if section == "attach" else ("a", "peer")
        raise BadSetting(f"{article} {what} is written [[{section}]], with two brackets")
    known: set[object] = set()
    for table in tables:
        name = table.get("name")
        where = f"[[{section}]] {named(name or '(without name)')}:"
        yield where, table
        if name in known:
            raise BadSetting(f"{where} there are two {'attachments' if section == 'attach' else 'peers'} of that name")
        known.add(name)


def template(config: Config) -> str:
    """Return mirror.toml with the settings of a new node, each under its comment."""
    lines = ["# Configuration of one mirror node.  'ctdlmirror daemon' reads it at start and at SIGHUP.", ""]
    for name in SECTIONS:
        section = NodeSettings(config.node) if name == "node" else getattr(config, name)
        lines += [*write_table(name, section), ""]
    lines += comment("One [[peer]] table per other node; 'ctdlmirror peer add' writes them.")
    lines += [*write_example("peer", Peer), ""]
    lines += comment("One [[attach]] table per Citadel server that is followed; 'ctdlmirror attach PLACE' writes them.")
    return "\n".join([*lines, *write_example("attach", Attachment), ""])
