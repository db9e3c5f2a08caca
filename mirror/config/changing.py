"""mirror.toml changed: peers and attachments come and go with their secrets, and comments stay."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mirror.config.files import CONFIG_FILE, write_private
from mirror.config.secrets import drop_invitation, load_secrets, save_password, save_secret
from mirror.config.settings import MIRROR, Attachment, Peer


def admit_peer(directory: Path, peer: Peer, secret: str | None) -> None:
    """Have a node be a peer with a secret, or with none yet.  Raises ConfigError.

    Whatever fails on the way, nobody gets in with more than was said: another secret of that name is forgotten first,
    and the table is there before the new one.
    """
    if load_secrets(directory).get(peer.name) != secret:
        save_secret(directory, peer.name, None)
    save_peer(directory, peer)
    save_secret(directory, peer.name, secret)


def save_peer(directory: Path, peer: Peer) -> None:
    """Add a peer to mirror.toml or change it there; comments stay.  Raises ConfigError."""
    values: dict[str, object] = {"name": peer.name}
    if peer.address is not None:
        values["address"] = str(peer.address)
    values["trust"] = peer.trust
    if peer.kind != MIRROR:
        values["kind"] = peer.kind
    _save_table(directory, "peer", {**values, "push": peer.push})


def remove_peer(directory: Path, name: str) -> bool:
    """Take a peer and its secret out; returns whether there was one."""

    def forget() -> None:
        save_secret(directory, name, None)
        drop_invitation(directory, name)

    return _remove_table(directory, "peer", name, forget)


def save_attachment(directory: Path, one: Attachment) -> None:
    """Add an attachment to mirror.toml or change it there; comments stay.  Raises ConfigError."""
    default = Attachment(one.name, one.place)
    given = {name: getattr(one, name) for name in one.__struct_fields__ if getattr(one, name) != getattr(default, name)}
    given = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    _save_table(directory, "attach", {"name": one.name, "place": str(one.place), "direction": one.direction, **given})


def remove_attachment(directory: Path, name: str) -> bool:
    """Take an attachment and its password out; returns whether there was one."""
    return _remove_table(directory, "attach", name, lambda: save_password(directory, name, None))


def _save_table(directory: Path, section: str, values: dict[str, object]) -> None:
    """Put a table at the end of an array of mirror.toml, in place of the one of its name."""
    import tomlkit

    document = tomlkit.parse((directory / CONFIG_FILE).read_text("utf-8"))
    if section not in document:
        document.add(tomlkit.nl())  # so that it stands apart from the comments before it
    tables = document.setdefault(section, tomlkit.aot())
    _drop(tables, str(values["name"]))
    table = tomlkit.table()
    table.update(values)
    tables.append(table)
    write_private(directory / CONFIG_FILE, tomlkit.dumps(document))


def _remove_table(directory: Path, section: str, name: str, forget: Callable[[], None]) -> bool:
    import tomlkit

    document = tomlkit.parse((directory / CONFIG_FILE).read_text("utf-8"))
    found = _drop(document.get(section, []), name)
    if found:
        if not document[section]:
            del document[section]
        write_private(directory / CONFIG_FILE, tomlkit.dumps(document))
        forget()
    return found


def _drop(tables: Any, name: str) -> bool:
    places = [at for at, table in enumerate(tables) if table.get("name") == name]
    for at in reversed(places):
        del tables[at]
    return bool(places)
