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
