"""Users who are held here and whom a server does not list: it is asked for them by name, before it exports.

While it exports it lets nobody in, and whoever asked for the export is busy with that.
"""

from collections.abc import Mapping, Set
from typing import NamedTuple

from mirror.citadel.looks.pages import pages
from mirror.citadel.looks.remembered import place_of
from mirror.citadel.meaning.damaged import OF_A_COPY, Found, find_damaged, nobody_damaged, note_found
from mirror.citadel.meaning.keys import Keys, Numbers, names_of_users, read_keys
from mirror.citadel.migr.report import Accepted
from mirror.citadel.protocol.client import CitadelClient
from mirror.store.base import Reader, Reading, Store

USERS_AT_ONCE = 100
_NUMBER = 2
"""In a line of LIST, the field that has a user's number."""


class Untold(NamedTuple):
    """Of users who are held and not listed, the numbers of those who were deleted, and the names of damaged accounts.

    The names are by numbers.
    """

    deleted: Set[int] = frozenset()
    damaged: Mapping[int, str] = {}


def ask_by_name(held: Reading, client: CitadelClient, node: str, keys: Keys | None = None) -> Untold:
    """Find out what became of users who are held of a server, and whom it does not list.

    ``keys``, where others are to be known than are remembered.
    """

    def job(reader: Reader) -> dict[int, str]:
        return names_of_users(reader, Numbers(keys or read_keys(reader, place_of(node), node)))

    users = held.read(job)
    if not users:
        return Untold()
    (lines,) = client.tell("LIST")
    rows = [line.split(b"|") for line in lines or ()]
    listed = {int(row[_NUMBER]) for row in rows if len(row) > _NUMBER and row[_NUMBER].isdigit()}
    missing = {number: name for number, name in users.items() if number not in listed}
    replies: dict[int, bytes] = {}
    for some in pages(missing.items(), USERS_AT_ONCE):
        answers = client.ask_all([f"AGUP {name}".encode("utf-8", "surrogateescape") for _, name in some])
        replies |= {number: next(iter(answer), b"") for (number, _), answer in zip(some, answers, strict=True)}
    found = find_damaged(replies)
    deleted = missing.keys() - found.damaged - found.sound
    return Untold(deleted, {number: missing[number] for number in found.damaged})


def with_answers(accepted: Accepted, untold: Untold, store: Store, node: str) -> Accepted:
    """Return what is accepted, with what a server answered; nothing else where somebody is asked otherwise.

    Who was listed just before and is not in its export, as though the account were damaged meanwhile, is left alone.
    """
    if accepted.damaged is not nobody_damaged:
        return accepted

    def damaged(missing: Mapping[int, str]) -> Set[int]:
        listed = missing.keys() - untold.deleted - untold.damaged.keys()
        found = Found(untold.damaged.keys(), listed)
        return note_found(store, place_of(node), missing.keys(), found) | untold.damaged.keys()

    return accepted._replace(damaged=damaged, damaged_why=OF_A_COPY)
