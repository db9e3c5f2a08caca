"""What of items is just being written into a server, remembered before it is in its room.

A server changes some items on the way in, contacts say.  What it says of one that was just written is what the mirror
gave it, no edit; and where a node died before it could note that, the next connection asks the server before all else.
"""

from collections.abc import Sequence

import msgspec

from mirror.citadel.looks.lost import note_lost
from mirror.citadel.looks.prints import forget_prints
from mirror.citadel.looks.remembered import place_of
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.protocol.pieces import fetch_message
from mirror.formats.errors import BadMessage
from mirror.formats.keys import BORN_IMPORTED, message_key
from mirror.formats.message import parse_message
from mirror.model.containers import room_told_of
from mirror.model.kinds import ITEM_PREFIX
from mirror.model.record import Record, pack_head
from mirror.model.status import Status
from mirror.store.base import Store, Writer
from mirror.sync.foreign.plan import There

NUMBER = "msg_msgnum"


class Unfinished(msgspec.Struct, array_like=True, frozen=True):
    """What is to be remembered of an item or message once it is in its room, which is entered by the command ``goto``.

    ``source`` enters the room that it is moved from, where that is no folder in which it was in transit.
    """

    status: Status
    goto: str
    source: str = ""


def note_unfinished(store: Store, place: str, items: Sequence[Unfinished]) -> None:
    """Remember what is about to be written, in the place of what was before."""
    text = msgspec.json.encode(items).decode()
    store.write(lambda writer: writer.set_meta(_name(place), text))


def forget_unfinished(writer: Writer, place: str) -> None:
    """Forget what was about to be written: its statuses stand, or it is none of this server's."""
    if writer.meta_text(_name(place)):
        writer.set_meta(_name(place), "")


def finish_unfinished(store: Store, client: CitadelClient, node: str) -> None:
    """Note what the server has of what was about to be written when a node or server died, before all else is asked.

    What was in transit was thrown away before.  What a killed server lists without a text since it was in the middle of
    a move is taken off the list; what that was to take the place of may be gone as well, which is lost, not deleted.
    """
    place = place_of(node)
    text = store.read(lambda reader: reader.meta_text(_name(place)))
    if not text:
        return
    told: list[Status] = []
    lost: list[Status] = []
    for one in msgspec.json.decode(text, type=list[Unfinished]):
        if one.source:
            _take_out(client, one)
            continue  # the next look tells where it is
        status = _read_back_in(client, one, node)
        if status is not None:
            told.append(status)
        elif _is_nowhere(client, one):
            lost += store.read(lambda reader, of=one.status: reader.statuses_of(place, of.collection, [of.key]))  # type: ignore[misc]

    def job(writer: Writer) -> None:
        writer.put_statuses(place, told)
        forget_prints(writer, place, {room_told_of(one.collection, one.key) for one in told})
        for status in lost:
            note_lost(writer, place, [status])
        forget_unfinished(writer, place)

    store.write(job)


def _take_out(client: CitadelClient, one: Unfinished) -> None:
    """Have a message that was being moved be in one room.

    Where both list it, it may be counted once by the server, which then throws its text away when one of them loses it.
    """
    number = one.status.foreign
    if number in (_listed(client, one.source) or {}) and number in (_listed(client, one.goto) or {}):
        client.ask_all([_command(one.source), f"DELE {number}".encode()])
        _put_right(client, one)


def _read_back_in(client: CitadelClient, one: Unfinished, node: str) -> Status | None:
    """Return what the server has of an item that was written."""
    (entered,) = client.ask_all([_command(one.goto)])
    if not (entered and entered[0].startswith(b"2")):
        return None  # it was renamed meanwhile: the next look tells what is there
    status = read_back(client, one.status, node)
    if status is None:
        _put_right(client, one)
    return status


def _put_right(client: CitadelClient, one: Unfinished) -> None:
    """Have a room not list a message that has no text any more."""
    number = one.status.foreign
    if number in (_listed(client, one.goto) or {}) and fetch_message(client, int(number)) is None:
        client.ask_all([f"DELE {number}".encode()])


def _is_nowhere(client: CitadelClient, one: Unfinished) -> bool:
    """Tell whether a room has no item any more of the exclusive id of one that was written."""
    listed = _listed(client, one.goto)
    return listed is not None and one.status.key.removeprefix(ITEM_PREFIX) not in listed.values()


def _listed(client: CitadelClient, goto: str) -> dict[str, str] | None:
    """Return the numbers that a room lists, each with its exclusive id; None where it cannot be entered."""
    entered, listed = client.ask_all([_command(goto), b"MSGS ALL|0|0|4"])
    if not (entered and entered[0].startswith(b"2")):
        return None
    lines = (line.decode("utf-8", "replace").split("|") for line in listed[1:-1])
    return {line[0]: line[1] if len(line) > 1 else "" for line in lines}


def _command(goto: str) -> bytes:
    return goto.encode("utf-8", "surrogateescape")


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
