"""How a server could be paired with what a store holds: both are listed, mirror.citadel.meaning.pairing decides.

Reads only.  Needs the administrator's socket without a log-in: elsewhere a server lists neither others' mailboxes nor
whose they are.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from mirror.citadel.bootstrap import Place
from mirror.citadel.following.asked import ROOMS_AT_ONCE
from mirror.citadel.looks.made import note_made
from mirror.citadel.looks.pages import pages
from mirror.citadel.looks.remembered import place_of
from mirror.citadel.meaning.keys import FLOORS, ROOMS, USERS, Numbers, Pair, add_pairs, owner_of, read_keys, write_pairs
from mirror.citadel.meaning.pairing import ADDRESS_BOOK, ROLES, Consent, Held, Here, Pairing, There, pair
from mirror.citadel.protocol.answers import room_number
from mirror.citadel.protocol.client import CitadelClient
from mirror.formats.errors import CitadelError
from mirror.formats.keys import numbered_key
from mirror.formats.names import ROOM_IN_USE, number_of
from mirror.formats.server_own import Use, use_of_room
from mirror.model.fields import values_of
from mirror.model.record import Record
from mirror.store.base import Reader, Store, Writer

_VIEW = 7
"""In a line of LKRA, the field that has a room's default view."""


class CannotPair(CitadelError):
    """A server cannot be paired with what is here."""

    exit_code = 3


def require_socket(place: Place, user: str) -> None:
    """Raise CannotPair where a door does not tell what pairing needs."""
    if user or not isinstance(place, Path):
        raise CannotPair(
            f"{place}: a server is paired by its administrator's socket without a log-in, citadel:///DIRECTORY: "
            "elsewhere it does not tell whose mailboxes there are"
        )


def is_to_be_paired(store: Store, node: str, place: Place, user: str) -> bool:
    """Tell whether a server has yet to be paired, given by whom it is asked at which door.

    Raises CannotPair where it was followed without, or by a door that does not tell enough.
    """
    name = place_of(node)
    if store.read(lambda reader: read_keys(reader, name, node).paired):
        return False
    if store.read(lambda reader: reader.scan_place(name, limit=1)):
        raise CannotPair(
            f"{node} was followed before without being paired, so its users and rooms are here apart from others: "
            "take pair, pair_users and pair_rooms out of its [[attach]], or attach it to a node that never had it"
        )
    require_socket(place, user)
    return True


def propose(store: Store, client: CitadelClient, node: str, consent: Consent) -> Pairing:
    """Return how a server of a node name would be paired; nothing is written."""
    there = list_there(client)
    return pair(node, there, store.read(list_here), consent)


def confirm(store: Store, node: str, pairing: Pairing) -> None:
    """Have a server be paired so from now on."""
    place = place_of(node)
    store.write(lambda writer: write_pairs(writer, place, pairing.pairs))


def require_apart(store: Store, node: str, pair: Pair) -> None:
    """Raise CannotPair unless a thing here and one of a server are two, and each is one with nothing else."""
    place = place_of(node)
    record = store.read(lambda reader: reader.get(pair.kind, pair.key))
    if record is None or record.dead:
        raise CannotPair(f"there is nothing in {pair.kind} under {pair.key[:80]!r}")
    numbers = Numbers(store.read(lambda reader: read_keys(reader, place, node)))
    held = numbers.of(pair.kind, pair.key)
    if held is not None and store.read(lambda reader: reader.statuses(place, pair.kind, [pair.key])):
        raise CannotPair(f"{pair.key} is number {held} of {node} already")
    paired = numbers.keys.users if pair.kind == USERS else numbers.keys.rooms
    if pair.there in paired:
        raise CannotPair(f"number {pair.there} of {node} is {paired[pair.there].key} already")
    own = numbered_key(node, pair.there)
    if not store.read(lambda reader: reader.statuses(place, pair.kind, [own])):
        raise CannotPair(f"{node} has nothing of number {pair.there} in {pair.kind}")


def pair_later(store: Store, node: str, pair: Pair) -> None:
    """Have a thing that was looked at before be what is here under a key, and what is here be written into it."""
    place = place_of(node)
    record = store.read(lambda reader: reader.get(pair.kind, pair.key))
    number = number_of(values_of(record), "u_usernum") if pair.kind == USERS else 0

    def job(writer: Writer) -> None:
        add_pairs(writer, place, [pair._replace(number=number)])
        note_made(writer, place, (pair.kind, pair.key))

    store.write(job)


# -- there --------------------------------------------------------------------------------------------


def list_there(client: CitadelClient) -> There:
    """Return what a server has, but for its own rooms."""
    users, floors, rooms, settings = client.tell("LIST", "LFLR", "LKRA", "CONF LISTVAL")
    names = [fields[0] for fields in _fields(rooms) if _is_of_people(fields)]
    told = dict(field[:2] for field in _fields(settings) if len(field) > 1)
    roles = {name: told.get(name) or usual for name, usual in ROLES.items()}
    return There(
        users={number: name for name, _, number in _numbered(users, 2) if number},
        rooms=_numbers_of(client, names),
        floors={number: name for _, name, number in _numbered(floors, 0)},
        roles={**roles, ADDRESS_BOOK: ADDRESS_BOOK},
    )


def _numbers_of(client: CitadelClient, names: Iterable[str]) -> dict[int, str]:
    """Return rooms by their numbers; those that cannot be entered, as they need a password, are left out."""
    rooms: dict[int, str] = {}
    for some in pages(names, ROOMS_AT_ONCE):
        commands = [f"{command}".encode("utf-8", "surrogateescape") for one in some for command in _asking(one)]
        answers = client.ask_all(commands)
        for at, name in enumerate(some):
            entered, told = answers[2 * at], answers[2 * at + 1]
            number = room_number(told)
            if entered and entered[0].startswith(b"2") and number:
                rooms[number] = name
    return rooms


def _asking(name: str) -> tuple[str, str]:
    return f"GOTO {name}||1", "GNET"


def _is_of_people(fields: list[str]) -> bool:
    return use_of_room(fields[0], fields[_VIEW] if len(fields) > _VIEW else "") is Use.PEOPLE


def _fields(lines: list[bytes] | None) -> Iterator[list[str]]:
    return (line.decode("utf-8", "surrogateescape").split("|") for line in lines or ())


def _numbered(lines: list[bytes] | None, column: int) -> Iterator[tuple[str, str, int]]:
    """Yield the first two fields of lines, and the number in a column of them."""
    for fields in _fields(lines):
        if len(fields) > max(column, 1) and fields[column].isascii() and fields[column].isdigit():
            yield fields[0], fields[1], int(fields[column])


# -- here ---------------------------------------------------------------------------------------------


def list_here(reader: Reader) -> Here:
    """Return the living users, rooms and floors of a store; of those of one name the one shown plainly first."""
    return Here(
        users=[_user(one) for one in _living(reader, USERS) if number_of(values_of(one), "u_axlevel")],
        rooms=[_room(one) for one in _living(reader, ROOMS) if number_of(values_of(one), "QRflags") & ROOM_IN_USE],
        floors=[Held(one.key, name) for one in _living(reader, FLOORS) if (name := _text(one, "f_name"))],
        roles={role: name for role in ROLES if (name := _text(reader.get("config", role), "value"))},
    )


def _living(reader: Reader, collection: str) -> list[Record]:
    living = (record for record in reader.scan_all(collection) if not record.dead)
    return sorted(living, key=lambda record: (record.born, record.key))


def _user(record: Record) -> Held:
    return Held(record.key, _text(record, "u_fullname"), number_of(values_of(record), "u_usernum"))


def _room(record: Record) -> Held:
    name = _text(record, "QRname")
    owner = owner_of(name)
    key = numbered_key(record.key.rpartition(":")[0], owner) if owner else ""
    return Held(record.key, name, owner=key)


def _text(record: Record | None, name: str) -> str:
    return str(values_of(record).get(name, "")) if record is not None and not record.dead else ""
