"""Asking a session for everything there is, by one action: what comes back is what may be read."""

from typing import Any

from mirror.peer.remote import ChannelRemote
from mirror.server.node import Node
from mirror.wire.codec import GREATEST, LEAST, Cursor, Range
from mirror.wire.errors import Refused


def read_by(remote: ChannelRemote, action: str, node: Node, collections: list[str]) -> set[tuple[str, str]]:
    """Read all that can be had by one action, asking for everything there is."""
    found: set[tuple[str, str]] = set()

    def note(pages: Any) -> None:
        found.update((record.collection, record.key) for page in pages for record in page.records)

    if action == "since":
        note(remote.since(Cursor(node.store.epoch, 0)))
        return found
    if action == "getall":
        note(remote.getall("all"))
        return found
    for collection in collections:
        keys = [record.key for record in node.store.read(lambda reader: reader.scan(collection, limit=10_000))]  # noqa: B023
        try:
            if action == "get":
                note(remote.get(collection, keys))
            elif action == "newest":
                note(remote.newest(collection, 1000))
            else:
                answers = remote.ranges(collection, [Range(LEAST, GREATEST, 0, 0)])
                entries = [entry for answer in answers for entry in getattr(answer, "entries", ())]
                found.update((collection, entry.key) for entry in entries)
        except Refused as error:
            assert error.code == 571, error
    return found


def answers_alike(remote: ChannelRemote, name: str) -> bool:
    """Tell whether all that can be asked about a collection is answered as for one that does not exist."""
    missing = f"{name.partition('/')[0]}/nowhere:1" if "/" in name else name
    return all(
        _answer(remote, line, name) == _answer(remote, line, missing)
        for line in ("SYNC {}|get|x", "SYNC {}|newest|5", "SYNC {}|getall", "SYNC {}|info")
    )


def _answer(remote: ChannelRemote, line: str, name: str) -> tuple[int, str, list[str]]:
    remote.channel.send(line.format(name).encode() + b"\n")
    try:
        reply = remote.channel.read_reply()
    except Refused as error:
        return error.code, error.text.replace(name, "X"), []
    rest = list(remote.channel.read_listing()) if reply.kind == 1 else []
    return reply.code, reply.text.replace(name, "X"), [one.replace(name, "X") for one in rest]
