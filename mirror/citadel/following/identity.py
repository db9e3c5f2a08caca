"""Whether a server is the one that was looked at last, or another one: made anew, restored from a backup.

What another one has is paired with what is here by keys, and where the two differ the mirror's stands: last night's
version is no edit, and what came since is not deleted.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from mirror.citadel.looks.remembered import Identity, Remembered, cursor_name, place_of, remember, remembered
from mirror.citadel.looks.taking import keep_missing
from mirror.citadel.looks.unfinished import forget_unfinished
from mirror.citadel.meaning.keys import read_keys
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.protocol.pieces import message_of
from mirror.formats.keys import imported_origin, message_key
from mirror.formats.message import Message, parse_message
from mirror.model.keys import split_key
from mirror.model.kinds import Collection
from mirror.model.status import WHOLE, Status, fingerprints
from mirror.store.base import Reader, Store, Writer
from mirror.wire.errors import Refused

_IDENTIFYING = ("I", "T", "E")
"""A message's id, the time it bears, its exclusive id."""
COMPARED = 50
"""Messages, those of the highest numbers, that are looked at again when a server is met again."""


def why_another(last: Remembered, now: Identity) -> str:
    """Return why a server is not in a later state of what was looked at last; nothing where it may be."""
    if now.created and last.created not in ("", now.created):
        return f"it was set up at {now.created}, what was followed before at {last.created} (Unix seconds)"
    if now.highest < last.highest:
        return (
            f"its highest message number is {now.highest}, it was {last.highest}: it is older, restored from a backup"
        )
    return ""


def why_other_messages(store: Store, client: CitadelClient, node: str, rooms: Mapping[int, str]) -> str:
    """Return why a server's last messages are not those that were there last; nothing where they are, or are gone.

    They are compared by id, time and exclusive id, or where a message was changed here since, by what it is kept under.
    ``rooms`` are the names of rooms by their numbers.
    """
    place = place_of(node)
    newest = store.read(lambda reader: reader.newest_statuses(place, "messages", COMPARED))
    keys = store.read(lambda reader: read_keys(reader, place, node))
    names = {str(Collection("messages", keys.room(number, name))): name for number, name in rooms.items()}
    for collection, told in groupby(sorted(newest, key=_collection), _collection):
        statuses = list(told)
        try:
            client.enter_room(names.get(collection, ""))
        except Refused:
            continue  # of what cannot be read nothing can be told
        held = store.read(lambda reader, some=statuses: _held(reader, node, some))  # type: ignore[misc]
        answers = client.tell(*(f"MSG0 {status.foreign}|1" for status in statuses))
        for status, lines in zip(statuses, answers, strict=True):
            if lines and not _is_same(status, message_of(lines), held.get(status.key), node):
                return f"its message {status.foreign} is another one than before: it was restored from a backup"
    return ""


def _held(reader: Reader, node: str, statuses: Sequence[Status]) -> dict[str, Message]:
    """Return messages of one collection as a server said them last, by their keys.

    Those that were changed here are not among them, nor items that are compared by their parts: one that a server made
    anew without a change of these, as it does a card, is here with the id and time of the one before.
    """
    records = reader.get_many(statuses[0].collection, [status.key for status in statuses])
    of_it = (record for record in records if record.origin == imported_origin(node) and not record.dead)
    as_said = [record for record in of_it if fingerprints(record, reader.body).keys() <= {WHOLE}]
    return {record.key: parse_message(reader.body(record)) for record in as_said}


def _is_same(status: Status, told: Message, held: Message | None, node: str) -> bool:
    """Tell whether a message is the one that was told under a number before."""
    if message_key(told, node, int(status.foreign)) != split_key(status.key)[0]:
        return False
    return held is None or all(told.text(field) == held.text(field) for field in _IDENTIFYING)


def _collection(status: Status) -> str:
    return status.collection


def pair_anew(store: Store, node: str, now: Identity, why: str, give_way: Callable[[], object]) -> None:
    """Forget what a server said, so that it is paired anew; goes on where it was interrupted."""
    place = place_of(node)
    what = Remembered(now.created, now.highest, another=why, forgetting=True, anew_ms=store.clock.now_ms())

    def job(writer: Writer) -> None:
        remember(writer, place, what)
        forget_unfinished(writer, place)
        if writer.meta_number(cursor_name(place)):
            writer.set_meta(cursor_name(place), 0)  # what it does not have any more is written anew

    store.write(job)
    finish_forgetting(store, node, give_way)


def finish_forgetting(store: Store, node: str, give_way: Callable[[], object]) -> None:
    """Forget the rest of what a server said, if that was begun."""
    place = place_of(node)
    last = store.read(lambda reader: remembered(reader, place))
    if last is None or not last.forgetting:
        return
    while page := store.read(lambda reader: reader.scan_place(place)):

        def job(writer: Writer, found: Sequence[Status] = page) -> None:
            for _, statuses in groupby(found, attrgetter("collection")):
                keep_missing(writer, place, list(statuses))

        store.write(job)
        give_way()
    last.forgetting = False
    store.write(lambda writer: remember(writer, place, last))
