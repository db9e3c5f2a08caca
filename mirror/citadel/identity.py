"""Whether a server is the one that was looked at last, or another one: made anew, restored from a backup.

What another one has is paired with what is here by keys, and where the two differ the mirror's stands: last night's
version is no edit, and what came since is not deleted.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from mirror.citadel.client import CitadelClient
from mirror.citadel.keys import read_keys
from mirror.citadel.look import Identity, Remembered, cursor_name, place_of, remember, remembered
from mirror.citadel.pieces import message_of
from mirror.citadel.taking import keep_missing
from mirror.citadel.unfinished import forget_unfinished
from mirror.formats.keys import message_key
from mirror.model.keys import split_key
from mirror.model.kinds import Collection
from mirror.model.status import Status
from mirror.store.base import Store, Writer
from mirror.wire.errors import Refused

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
        for status, key in zip(statuses, _keys(client, node, statuses), strict=True):
            if key not in ("", split_key(status.key)[0]):
                return f"its message {status.foreign} is another one than before: it was restored from a backup"
    return ""


def _keys(client: CitadelClient, node: str, statuses: Sequence[Status]) -> list[str]:
    """Return the keys of messages in the room that a client is in; nothing for those that are not there."""
    answers = client.tell(*(f"MSG0 {status.foreign}|1" for status in statuses))
    return [
        message_key(message_of(lines), node, int(status.foreign)) if lines else ""
        for status, lines in zip(statuses, answers, strict=True)
    ]


def _collection(status: Status) -> str:
    return status.collection


def pair_anew(store: Store, node: str, now: Identity, why: str, give_way: Callable[[], object]) -> None:
    """Forget what a server said, so that it is paired anew; goes on where it was interrupted."""
    place = place_of(node)
    what = Remembered(now.created, now.highest, another=why, forgetting=True)

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
