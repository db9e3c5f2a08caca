"""What of items is just being written into a server, remembered before it is in its room.

A server changes some items on the way in, contacts say.  What it says of one that was just written is what the mirror
gave it, no edit; and where a node died before it could note that, the next connection asks the server before all else.
"""

from collections.abc import Sequence

import msgspec

from mirror.citadel.looks.look import place_of
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.protocol.pieces import fetch_message
from mirror.formats.errors import BadMessage
from mirror.formats.keys import BORN_IMPORTED, message_key
from mirror.formats.message import parse_message
from mirror.model.record import Record, pack_head
from mirror.model.status import Status
from mirror.store.base import Store, Writer
from mirror.sync.foreign.plan import There

NUMBER = "msg_msgnum"


class Unfinished(msgspec.Struct, array_like=True, frozen=True):
    """What is to be remembered of an item once it is in its room, which is entered by the command ``goto``."""

    status: Status
    goto: str


def note_unfinished(store: Store, place: str, items: Sequence[Unfinished]) -> None:
    """Remember what is about to be written, in the place of what was before."""
    text = msgspec.json.encode(items).decode()
    store.write(lambda writer: writer.set_meta(_name(place), text))


def forget_unfinished(writer: Writer, place: str) -> None:
    """Forget what was about to be written: its statuses stand, or it is none of this server's."""
    if writer.meta_text(_name(place)):
        writer.set_meta(_name(place), "")


def finish_unfinished(store: Store, client: CitadelClient, node: str) -> None:
    """Note what the server has of what was about to be written when a node died, before anything is looked at there."""
    place = place_of(node)
    text = store.read(lambda reader: reader.meta_text(_name(place)))
    if not text:
        return
    told = []
    for one in msgspec.json.decode(text, type=list[Unfinished]):
        client.ask_all([one.goto.encode("utf-8", "surrogateescape")])
        status = read_back(client, one.status, node)
        told += [status] if status is not None else []

    def job(writer: Writer) -> None:
        writer.put_statuses(place, told)
        forget_unfinished(writer, place)

    store.write(job)


def read_back(client: CitadelClient, status: Status, node: str) -> Status | None:
    """Return a status with what the server says of an item of the present room, None where it is not there."""
    number = int(status.foreign)
    data = fetch_message(client, number)
    if data is None:
        return None
    try:
        if message_key(parse_message(data), node, number) != status.key:
            return None
    except BadMessage:
        return None
    record = Record(
        status.collection, status.key, 1, place_of(node), BORN_IMPORTED, head=pack_head({NUMBER: str(number)})
    )
    return msgspec.structs.replace(status, said=There.of(status.foreign, record, data).said)


def _name(place: str) -> str:
    return f"unfinished:{place}"
