"""Accounts that a server has no more though nobody deleted them: it wrote nothing, or garbage, over them.

Version 980 can do that while it forwards mail.  It neither lists nor exports such an account, as though it were gone.
Asked for it by name, it says of one that was deleted that there is no such user, and of a damaged one what is left.
Which were seen damaged is remembered: what is done there to mend that is no deletion either.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Set
from typing import NamedTuple

import msgspec

from mirror.formats.numbers import number_or_zero
from mirror.store.base import Reader, Store, Writer

SERVER_ITSELF = "SYS_Citadel"
"""The user that a server is itself, of number 0, as whom nobody can be logged in."""
HIGHEST_LEVEL = 6
"""Of access; that of administrators."""
WHAT_TO_DO = (
    "whose account there is damaged, which nobody deleted: `attach refuse` keeps the user, `attach approve` deletes it"
)
OF_A_COPY = "whose account there is damaged, which nobody deleted: --accept-deletions deletes the user here"
OF_A_FILE = (
    "whom the file does not tell: deleted there, or an account that its server damaged, which a file cannot be asked; "
    "--accept-deletions deletes the user here"
)
_NO_SUCH_USER = b"570"
_GARBAGE = re.compile(r"[\x00-\x1f\x7f]")

AskDamaged = Callable[[Mapping[int, str]], Set[int]]
"""Returns of users who are held and were not told, by numbers and names, those whom the server did not delete."""


def nobody_damaged(_missing: Mapping[int, str]) -> Set[int]:
    """Say that whoever is not told was deleted."""
    return frozenset()


def anybody_damaged(missing: Mapping[int, str]) -> Set[int]:
    """Say that whoever is not told may be there, since there is nobody to ask."""
    return missing.keys()


def is_sound(name: str, number: str, level: str) -> bool:
    """Tell whether a server may have written an account so itself."""
    if not name or _GARBAGE.search(name) or not (number.isascii() and number.isdigit()):
        return False
    if not (level.isascii() and level.isdigit() and int(level) <= HIGHEST_LEVEL):
        return False
    return number_or_zero(number) > 0 or name == SERVER_ITSELF


class Account(NamedTuple):
    """What a reply to ``AGUP`` comes to: whose account it is, 0 where it is not sound, and whether it was deleted."""

    number: int
    sound: bool
    deleted: bool


def read_reply(reply: bytes) -> Account:
    """Read a reply to ``AGUP``.  What is neither an account nor says that there is none tells of no deletion."""
    fields = reply[4:].decode("utf-8", "replace").split("|") if reply.startswith(b"2") else []
    if len(fields) > 6 and is_sound(fields[0], fields[6], fields[5]):
        return Account(number_or_zero(fields[6]), True, False)
    return Account(0, False, reply.startswith(_NO_SUCH_USER))


class Found(NamedTuple):
    """Users who were not told and are not deleted, by their numbers: of damaged accounts, and of sound ones."""

    damaged: Set[int] = frozenset()
    sound: Set[int] = frozenset()


def find_damaged(replies: Mapping[int, bytes]) -> Found:
    """Sort users by the ``replies`` to ``AGUP`` for the names that they had; of one it may be another's by now."""
    read = {number: read_reply(reply) for number, reply in replies.items()}
    damaged = {number for number, one in read.items() if not (one.sound or one.deleted)}
    return Found(damaged, {number for number, one in read.items() if one.sound and one.number == number})


def note_found(store: Store, place: str, missing: Set[int], found: Found) -> Set[int]:
    """Remember who is damaged of the users who are missing, and return who of them was not deleted.

    Whoever was damaged before and did not come back still is, whatever became of the account.
    """
    before = store.read(lambda reader: read_damaged(reader, place))
    damaged = (found.damaged | before) & missing - found.sound
    if damaged != before:
        store.write(lambda writer: write_damaged(writer, place, damaged))
    return damaged | found.sound & missing


def read_damaged(reader: Reader, place: str) -> Set[int]:
    """Return the numbers of the users of a server that were found damaged and did not come back."""
    text = reader.meta_text(_name(place))
    return msgspec.json.decode(text, type=frozenset[int]) if text else frozenset()


def write_damaged(writer: Writer, place: str, numbers: Iterable[int]) -> None:
    """Remember these."""
    writer.set_meta(_name(place), msgspec.json.encode(sorted(numbers)).decode())


def _name(place: str) -> str:
    return f"damaged:{place}"
