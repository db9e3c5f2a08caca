"""Which message of a user's room of configuration holds the bio, the picture or the inbox rules that the user has.

A newer one of a sort takes the place of the one before.  But a server that is killed while it takes one leaves both,
and the user may still have the old one, or none: so of what is new the server is asked what it shows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from mirror.citadel.following.room_texts import TRIES, Content, Entrance, content_of
from mirror.citadel.meaning.configuration import OF_USERS, Holds, Kept
from mirror.citadel.meaning.damaged import SERVER_ITSELF
from mirror.citadel.protocol.client import CitadelClient
from mirror.wire.errors import Refused

_RULE = b"rule|"


class Owner(NamedTuple):
    """A user, by number and name, and how the room is entered that holds what the user has."""

    number: int
    name: str
    home: Entrance


class UserTexts:
    """Remembers which message holds what of users, by their numbers, and asks for those that are new."""

    def __init__(self, known: Mapping[Holds, Mapping[int, int]], connect: Callable[[], CitadelClient]) -> None:
        """``known`` are the messages that hold what users have; ``connect`` gives a session of its own."""
        self._of = {(holds, user): number for holds, of in known.items() for user, number in of.items()}
        self._connect = connect
        self._asked: dict[tuple[Holds, int], tuple[Sequence[int], int]] = {}

    @property
    def is_sure(self) -> bool:
        """Whether nothing has to be asked again."""
        return all(tries >= TRIES for _, tries in self._asked.values())

    def find(self, client: CitadelClient, owner: Owner, kept: Iterable[Kept]) -> dict[bytes, int]:
        """Return which messages hold what a user has, by the fields of an export, of those that the room keeps."""
        listed: dict[Holds, list[int]] = {holds: [] for holds in OF_USERS}
        for one in kept:
            if one.holds in listed:
                listed[one.holds].append(one.number)
        found = {field: self._find(client, owner, holds, listed[holds]) for holds, field in OF_USERS.items()}
        return {field: number for field, number in found.items() if number}

    def _find(self, client: CitadelClient, owner: Owner, holds: Holds, listed: Sequence[int]) -> int:
        which = holds, owner.number
        known = self._of.get(which, 0)
        before, tries = self._asked.pop(which, ((), 0))
        if list(listed) == ([known] if known else []):
            return known
        if tries < TRIES or before != listed:
            tries = tries + 1 if before == listed else 1
            known = self._ask(client, owner, holds, sorted(listed, reverse=True))
        self._of[which] = known
        if known != max(listed, default=0):
            self._asked[which] = listed, tries  # it may be about to be the newest
        return known

    def _ask(self, client: CitadelClient, owner: Owner, holds: Holds, numbers: Iterable[int]) -> int:
        """Return the first of some messages that holds what the user has, 0 where none does."""
        shown = self._shown(client, owner, holds)
        if shown is None:
            return 0
        client.enter_room(owner.home.name, owner.home.password)
        return next((number for number in numbers if _content(client, holds, number) == shown), 0)

    def _shown(self, client: CitadelClient, owner: Owner, holds: Holds) -> Content:
        try:
            if holds is Holds.USER_PICTURE:
                return (client.user_picture(owner.name),)
        except Refused:
            return None
        if holds is Holds.BIO:
            (lines,) = client.tell(f"RBIO {owner.name}")
            return tuple(lines) if lines else None
        return self._rules(owner.name)

    def _rules(self, user: str) -> Content:
        """Return a user's inbox rules, which are told to nobody else."""
        client = self._connect()
        try:
            _, lines, _ = client.tell(f"USER {user}", "GIBR", f"USER {SERVER_ITSELF}")
        finally:
            client.channel.close()
        return _rules_of(lines or ())


def _content(client: CitadelClient, holds: Holds, number: int) -> Content:
    """Return what a message of the present room holds, as ``_shown`` does."""
    if holds is Holds.RULES:
        (lines,) = client.tell(f"MSG2 {number}|0")
        return _rules_of(lines or ())
    return content_of(client, Holds.ROOM_TEXT if holds is Holds.BIO else Holds.ROOM_PICTURE, number).content


def _rules_of(lines: Iterable[bytes]) -> Content:
    return tuple(line.strip() for line in lines if line.startswith(_RULE)) or None
