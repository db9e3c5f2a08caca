"""Which folder here a new folder of a server's is, of the same user and the same name: each user has one of a name.

A server makes some for each user by itself, at the first log-in: Calendar, Contacts, Mail.  Where the user is on other
servers as well, these are there already.
"""

from mirror.citadel.looks.made import note_made
from mirror.citadel.meaning.keys import ROOMS, Keys, Numbers, Pair, add_pairs, owner_of
from mirror.model.fields import values_of
from mirror.store.base import Reader, Store, Writer


class Folders:
    """The folders that are here, of which there is a list once it is asked for."""

    def __init__(self, store: Store, place: str) -> None:
        self._store, self._place = store, place
        self._keys: dict[tuple[str, str], str] | None = None

    def pair(self, keys: Keys, number: int, name: str) -> Keys:
        """Return the keys of a server once a folder of it, by number and stored name, is one with what is here."""
        key = keys.room(number, name)
        if not owner_of(name) or number in keys.rooms or self._store.read(lambda reader: reader.get(ROOMS, key)):
            return keys
        if self._keys is None:
            self._keys = self._store.read(_folders)
        here = self._keys.get((keys.user(owner_of(name)).rpartition(":")[0], keys.room_name(name)))
        if here is None or Numbers(keys).of(ROOMS, here) is not None:
            return keys
        pair = Pair(ROOMS, number, here)

        def job(writer: Writer) -> None:
            add_pairs(writer, self._place, [pair])
            note_made(writer, self._place, (ROOMS, here))

        self._store.write(job)
        return keys._replace(rooms={**keys.rooms, number: pair})


def _folders(reader: Reader) -> dict[tuple[str, str], str]:
    """Return the keys of living folders, by the node part of their owners' keys and their stored names."""
    found: dict[tuple[str, str], str] = {}
    for record in reader.scan_all(ROOMS):
        name = "" if record.dead else str(values_of(record).get("QRname", ""))
        if owner_of(name):
            found.setdefault((record.key.rpartition(":")[0], name), record.key)
    return found
