"""Looks at all that a followed server has: by an export, or by one that is put together from what it was asked.

An export is hung up before its messages (mirror.citadel.following.again), and where that does not do, as at first,
the server is copied whole.  Knows neither when that is due nor what is told of it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple

from mirror.citadel.bootstrap import Place, Taken, copy_server, log_in
from mirror.citadel.following.again import look_again, look_at_told
from mirror.citadel.following.asked import Asked
from mirror.citadel.following.room_texts import RoomTexts
from mirror.citadel.following.user_texts import UserTexts
from mirror.citadel.looks.decided import Decision, Verdict
from mirror.citadel.looks.remembered import Remembered, place_of, remembered
from mirror.citadel.meaning.configuration import Holds
from mirror.citadel.meaning.damaged import Found, note_found
from mirror.citadel.meaning.keys import FLOORS, ROOMS, USERS, Numbers, names_of_users, read_keys
from mirror.citadel.migr.put_together import Held
from mirror.citadel.migr.report import Accepted
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.protocol.pieces import fetch_messages
from mirror.formats.keys import imported_origin
from mirror.formats.numbers import number_or_zero
from mirror.formats.server_own import ROOM_PASSWORD_CHARACTERS
from mirror.model.containers import picture_of_room, picture_of_user
from mirror.model.fields import values_of
from mirror.model.kinds import room_of
from mirror.store.base import Reader, Store
from mirror.sync.share.rules import NETCONF

YIELD_EVERY = 64 * 1024
"""Bytes of an export after which others have their turn."""


class _Texts(NamedTuple):
    """What is known of the messages that hold what rooms and users have."""

    of_rooms: RoomTexts
    of_users: UserTexts


class WholeLooks:
    """Takes over all that one server has into one store."""

    def __init__(
        self,
        store: Store,
        place: Place,
        user: str,
        password: str,
        *,
        directory: Path | None,
        only: Sequence[str],
        keeps_expired: bool,
        shares: bool,
        give_way: Callable[[], object],
    ) -> None:
        """As in ``copy_server``; ``keeps_expired``, where what the server throws away by itself stays here.

        ``shares``, where its settings are those of a site.
        """
        self._store = store
        self._place, self._user, self._password = place, user, password
        self._directory = directory
        self._only = only
        self._keeps_expired, self._shares = keeps_expired, shares
        self._yield = give_way
        self._given_way = 0
        self._texts: _Texts | None = None
        self._looked = 0

    def begin(self) -> None:
        """Forget what was known by the connection before."""
        self._texts, self._looked = None, 0

    @property
    def is_sure(self) -> bool:
        """Whether nothing has to be asked again of which the server did not tell yet whose it is."""
        return self._texts is None or (self._texts.of_rooms.is_sure and self._texts.of_users.is_sure)

    def last(self, node: str) -> Remembered | None:
        """Return what is remembered of the server of a node name; None before it was looked at."""
        place = place_of(node)
        return self._store.read(lambda reader: remembered(reader, place))

    def was_looked_at(self, node: str) -> bool:
        """Tell whether all of it was looked at before."""
        last = self.last(node)
        return last is not None and last.looked

    def calls(self) -> dict[int, int]:
        """Return when users logged in last, as far as that is kept, in Unix seconds by their numbers."""
        users = self._store.read(lambda reader: [values_of(one) for one in reader.scan_all("users")])
        return {_number(one, "u_usernum"): _number(one, "u_lastcall") for one in users}

    def by_what_was_told(self, client: CitadelClient, asked: Asked, node: str, decision: Decision) -> Taken:
        """Take over what the server told to cheap questions: all but rooms' messages and files."""
        if self._texts is None:
            self._texts = self._known_texts(asked, node)
        holding = asked.holding(*self._texts)
        accepted = self._accepted(decision, asked, node)
        return look_at_told(
            self._store,
            asked.export(self._store.read(lambda reader: _held(reader, node)), holding),
            asked.told_kinds | holding.kinds,
            node,
            lambda wanted: fetch_messages(client, wanted),
            accepted=accepted,
            only=self._only,
            progress=self._give_way,
        )

    def by_export(
        self, client: CitadelClient, asked: Asked, node: str, decision: Decision, lost: Callable[[int], bool]
    ) -> Taken:
        """Take over what an export tells, which costs a server of version 980 its housekeeping.

        ``lost`` tells of messages that are gone, by their numbers, whether the server lost them.
        """
        place = self._place, self._user, self._password
        accepted = self._accepted(decision, asked, node)._replace(lost=lost)
        self._texts = None
        if self.was_looked_at(node):
            taken = look_again(
                self._store,
                lambda: log_in(*place),
                client,
                node,
                directory=self._directory,
                accepted=accepted,
                only=self._only,
                progress=self._give_way,
            )
            if not taken.report.truncated:
                return taken
        return copy_server(
            self._store,
            *place,
            merge=True,
            directory=self._directory,
            accepted=accepted,
            only=self._only,
            progress=lambda _stage, done: self._give_way(done),
        )

    def _known_texts(self, asked: Asked, node: str) -> _Texts:
        known = self._store.read(lambda reader: _known_texts(reader, node, asked.names(), asked.users()))
        return _Texts(RoomTexts(known), UserTexts(known, lambda: log_in(self._place, "", "")))

    def _accepted(self, decision: Decision, asked: Asked, node: str) -> Accepted:
        verdict, of = decision
        deletions, keep = verdict is Verdict.DELETE, verdict is Verdict.KEEP
        purge = asked.purge(self._looked, imported_origin(node))
        self._looked = asked.looked
        return Accepted(
            deletions=deletions,
            keep=keep,
            keep_expired=self._keeps_expired,
            site_settings=self._shares,
            purge=purge,
            of=of,
            damaged=lambda missing: self._damaged(asked, node, missing),
        )

    def _damaged(self, asked: Asked, node: str, missing: Mapping[int, str]) -> Set[int]:
        """Return who is not told and not deleted there, or was damaged and did not come back; that is remembered."""
        found = asked.find_damaged(missing) if missing else Found()
        return note_found(self._store, place_of(node), missing.keys(), found)

    def _give_way(self, done: int) -> None:
        """Let others have their turn while an export is read."""
        if done // YIELD_EVERY != self._given_way:
            self._given_way = done // YIELD_EVERY
            self._yield()


def room_passwords(reader: Reader) -> list[tuple[str, str]]:
    """Return names and passwords of rooms, as servers keep them."""
    values = [values_of(record) for record in reader.scan_all("rooms")]
    return [(str(one.get("QRname", "")), str(one.get("QRpasswd", ""))[:ROOM_PASSWORD_CHARACTERS]) for one in values]


def names_of_all(reader: Reader, node: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return the numbers that users and rooms have at a server by the names that they have here."""
    numbers = _numbers(reader, node)

    def named(kind: str, name: str) -> dict[str, int]:
        told = ((str(values_of(one).get(name, "")), numbers.of(kind, one.key)) for one in reader.scan_all(kind))
        return {called: number for called, number in told if number is not None}

    return named(USERS, "u_fullname"), named(ROOMS, "QRname")


def views_of_all(reader: Reader, node: str) -> dict[int, str]:
    """Return how rooms are viewed by who was never there, as far as is known here, by their numbers at a server."""
    numbers = _numbers(reader, node)
    told = ((numbers.of(ROOMS, one.key), values_of(one)) for one in reader.scan_all(ROOMS))
    return {number: str(values.get("QRdefaultview", "")) for number, values in told if number is not None}


def _held(reader: Reader, node: str) -> Held:
    """Return what is held of a server that has to be known to understand what it tells."""
    place = place_of(node)
    numbers = _numbers(reader, node)
    netconfs = {
        numbers.of(ROOMS, room_of(name)) for name in reader.status_collections(place) if name.startswith(f"{NETCONF}/")
    }
    floors = {numbers.of(FLOORS, one.key): one for one in reader.scan_all(FLOORS)}
    return Held(
        names_of_users(reader, numbers),
        {number for number, one in floors.items() if number is not None and _number(values_of(one), "f_flags") & 1},
        {number for number in netconfs if number is not None},
    )


def _numbers(reader: Reader, node: str) -> Numbers:
    return Numbers(read_keys(reader, place_of(node), node))


def _known_texts(
    reader: Reader, node: str, rooms: Mapping[int, str], users: Iterable[int]
) -> dict[Holds, dict[int, int]]:
    """Return which messages hold what of rooms and users as far as it was taken over, by the numbers of these."""
    place = place_of(node)
    keys = read_keys(reader, place, node)
    of_rooms = {keys.room(number, name): number for number, name in rooms.items()}
    of_users = {keys.user(number): number for number in users}
    kinds = {
        Holds.ROOM_TEXT: ("room-info", of_rooms),
        Holds.ROOM_PICTURE: ("pictures", {picture_of_room(key): number for key, number in of_rooms.items()}),
        Holds.BIO: ("bios", of_users),
        Holds.USER_PICTURE: ("pictures", {picture_of_user(key): number for key, number in of_users.items()}),
        Holds.RULES: ("inbox-rules", of_users),
    }
    return {
        holds: {of[told.foreign]: number_or_zero(told.tag) for told in reader.statuses(place, collection, of)}
        for holds, (collection, of) in kinds.items()
    }


def _number(values: Mapping[str, object], name: str) -> int:
    """Return a number that a field holds, 0 where it holds none."""
    return number_or_zero(str(values.get(name, "")))
