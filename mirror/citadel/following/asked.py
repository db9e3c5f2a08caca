"""What a server that is followed was asked and told last, and the cheap questions that tell what moved since.

Of each room and user no more is kept than by what a change shows; the decisions are mirror.citadel.protocol.answers'.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Set

import msgspec

from mirror.citadel.following.reading import Reading
from mirror.citadel.following.room_texts import Entrance, RoomTexts
from mirror.citadel.following.user_texts import Owner, UserTexts
from mirror.citadel.looks.pages import pages
from mirror.citadel.looks.remembered import Identity
from mirror.citadel.meaning.configuration import OF_ROOMS, THEIR_HOLDINGS, Holding, Holds, Kept
from mirror.citadel.meaning.damaged import Found, find_damaged
from mirror.citadel.meaning.purge import Purge, purge_between
from mirror.citadel.migr.put_together import TOLD_KINDS, Held, put_together
from mirror.citadel.protocol.answers import (
    AT_A_ROOM,
    ITS_MESSAGES,
    Moved,
    Present,
    Room,
    RoomLine,
    ToldRoom,
    ToldUser,
    moved,
    name_of_aide,
    names_of_users,
    people,
    read_account,
    read_calls,
    read_offset,
    read_room,
    read_rooms,
    read_settings,
    read_started,
    read_time,
    read_users,
    read_version,
    setting,
    view_of,
)
from mirror.citadel.protocol.client import CitadelClient
from mirror.formats.server_own import Use, netconf_setting, use_of_room, user_of_room

CREATED = b"c_config_created_or_migrated"
AUTH_MODE = b"c_auth_mode"
"""The setting that says whether users are the server's own, or those of the host or a directory."""
AIDE_ROOM = b"c_aideroom"
"""The setting that names the room in which the server tells of what was done to users and rooms."""
NO_UID = b"4294967295"
"""As the user number on its own system an export tells -1 of users that are the server's own (user_ops.h)."""
ROOMS_AT_ONCE, USERS_AT_ONCE = 50, 100
MAX_USERS = 1000
"""Users whose accounts are asked for in one sweep."""
_OF_CONFIGURATION = (Use.CONFIGURATION, Use.USER_CONFIGURATION)
_KIND_OF = {Holds.ROOM_TEXT: "room-info", Holds.ROOM_PICTURE: "pictures"}


class Often(msgspec.Struct, frozen=True):
    """How often what is asked, in seconds: rooms while nobody is logged in, users' accounts."""

    idle_look_s: float
    users_s: float


class Asked:
    """Asks over one connection; ``begin`` first."""

    def __init__(self, client: CitadelClient, often: Often, clock: Callable[[], float]) -> None:
        self._client, self._often, self._clock = client, often, clock
        self._read_rooms, self._read_users = Reading(read_rooms), Reading(read_users)
        self._read_calls, self._read_names = Reading(read_calls), Reading(names_of_users)
        self._highest = -1
        self._values: frozenset[bytes] = frozenset()
        self._people: frozenset[bytes] = frozenset()
        self._rooms: dict[bytes, RoomLine] = {}
        self._looked = self._offset = self._started = 0
        self._listed_at = self._swept_at = 0.0
        self._users: list[bytes] = []
        self._present: list[Present] = []
        self._calls: dict[bytes, tuple[int, int]] = {}
        self._next_user = 0
        self._version = b""
        self._settings: list[bytes] = []
        self._floors: list[bytes] = []
        self._told: dict[bytes, ToldRoom] = {}
        self._names: dict[int, bytes] = {}
        self._configuration: dict[bytes, list[Kept]] = {}
        self._accounts: dict[bytes, ToldUser] = {}
        self.passwords: Mapping[bytes, bytes] = {}
        """Of rooms, by their names."""
        self._numbers: tuple[dict[bytes, int], dict[bytes, int]] = {}, {}
        self.views: dict[int, str] = {}
        """How rooms are viewed by who was never there, by their numbers, as it was known last."""
        self._viewed: set[int] = set()
        self.aide_room = 0
        """The number of the room that the setting names, once it was listed."""

    def begin(self, give_way: Callable[[], object]) -> None:
        """Ask for all that is compared with later; ``give_way`` is called between questions."""
        self._version = read_version(*self._client.ask_all([b"INFO"]))
        self._ask_settings()
        self._list_all()
        for names in pages(self._rooms, ROOMS_AT_ONCE):
            self._ask_rooms(names, messages=False)
            give_way()
        for names in pages(self._users, USERS_AT_ONCE):
            self._ask_accounts(names)
            give_way()
        self._swept_at = self._clock()

    def remember(self, users: Mapping[str, int], rooms: Mapping[str, int]) -> None:
        """Have users and rooms be known by names that they had before; both by number."""
        for known, told in zip(self._numbers, (users, rooms), strict=True):
            known.update((_named(name.encode("utf-8", "surrogateescape")), number) for name, number in told.items())

    def viewed_otherwise(self) -> set[int]:
        """Return the rooms, by number, that are viewed otherwise by who was never there than when this was asked last.

        So those view them otherwise than all do who have been there before.
        """
        found, self._viewed = self._viewed, set()
        return found

    def user_named(self, name: str) -> int:
        """Return the number of the user who has a name, or had it last, 0 where nobody does."""
        return self._numbers[0].get(_named(name.encode("utf-8", "surrogateescape")), 0)

    def room_named(self, name: str) -> int:
        """Return the number of the room that has a name, or had it last, 0 where none does."""
        return self._numbers[1].get(_named(name.encode("utf-8", "surrogateescape")), 0)

    def is_new(self, room: str, known: Container[int]) -> bool:
        """Tell whether a room of that name could be entered whose number is not among those that are known."""
        name = _named(room.encode("utf-8", "surrogateescape"))
        listed = next((one for one in self._rooms if _named(one) == name), None)
        told = self._told.get(listed) if listed is not None else None
        return told is not None and told.number not in known

    def is_new_user(self, user: str, known: Container[int]) -> bool:
        """Tell whether a user of that name is listed whose number is not among those that are known."""
        number = self.user_named(user)  # 0 for nobody, and so is the server itself, which is listed too
        return bool(number) and number not in known and any(number == listed for listed, _ in self._calls.values())

    @property
    def identity(self) -> Identity:
        """By what the state that the server is in is told from others."""
        return Identity(setting(self._values, CREATED).decode("ascii", "replace").strip(), max(self._highest, 0))

    @property
    def started(self) -> int:
        """When the server was started, by its own clock in Unix seconds; 0 where it does not tell that."""
        return self._started

    @property
    def looked(self) -> int:
        """The server's clock when users and rooms were listed last, in Unix seconds."""
        return self._looked

    def purge(self, since: int, origin: str) -> Purge | None:
        """Return the purge that the server may have done since a moment of its clock, as ``purge_between`` does."""
        lines = (line.decode("utf-8", "replace").partition("|") for line in self._settings)
        settings = {name: value for name, _, value in lines}
        return purge_between(settings, since, self._looked, self._offset, origin)

    @property
    def logs_in_by_itself(self) -> bool:
        """Whether the server keeps its users itself; else asking for one may make one."""
        return setting(self._values, AUTH_MODE) in (b"", b"0")

    def users(self) -> dict[int, str]:
        """Return the names of the users that are listed, by their numbers."""
        return {number: _text(name) for name, (number, _) in self._calls.items()}

    def calls(self) -> dict[int, int]:
        """Return when each of them logged in last (Unix seconds), by their numbers."""
        return dict(self._calls.values())

    def present(self) -> Iterator[tuple[int, str]]:
        """Yield who is logged in, by number, and the name of the room that each session is in, as ``Present``."""
        for user, room in self._present:
            if user in self._calls:
                yield self._calls[user][0], _text(room)

    def names(self) -> dict[int, str]:
        """Return the names of the rooms that could be entered, by their numbers."""
        return {room.number: name.decode("utf-8", "surrogateescape") for name, room in self._told.items()}

    def holding(self, texts: RoomTexts, of_users: UserTexts) -> Holding:
        """Find out which messages of rooms of configuration hold what of rooms and users, given what is known of it."""
        names = self.users()
        users = {
            user: of_users.find(self._client, Owner(user, names[user], self.entrance(name)), kept)
            for name, kept in self._configuration.items()
            if (user := user_of_room(_text(name))) in names
        }
        unsure = self._find_texts(texts)
        held = texts.fields()
        rooms = {room.number: held.get(room.number, {}) for room in self._told.values()}
        of_rooms = {number for fields in rooms.values() for number in fields.values()}
        lists = {
            name: [one.number for one in some if one.holds not in OF_ROOMS or one.number in of_rooms]
            for name, some in self._configuration.items()
        }
        kinds = {"user-settings", "bios", "inbox-rules"} if self._all_entered else set()
        kinds |= {_KIND_OF[holds] for holds in OF_ROOMS if kinds and holds not in unsure}
        return Holding(users, rooms, lists, frozenset(kinds))

    def _find_texts(self, texts: RoomTexts) -> Set[Holds]:
        """Find out whose the texts and pictures of rooms are; returns what is not known of all rooms."""
        home = next((name for name in self._configuration if _use(name) is Use.CONFIGURATION), None)
        if home is None:
            return frozenset(OF_ROOMS)
        rooms = {room.number: self.entrance(name) for name, room in self._told.items()}
        return texts.find(self._client, self.entrance(home), self._configuration[home], rooms, self._looked)

    def export(self, held: Held, holding: Holding) -> Iterator[bytes]:
        """Put all together that was told, but messages; ``holding`` is what users and rooms hold."""
        self._ask_all_accounts(held.users)
        rooms = {name: (room, self._rooms[name]) for name, room in self._told.items()}
        accounts = list(self._accounts.values())
        settings = [*self._settings, *self._long_settings(held.netconfs)]
        return put_together(settings, rooms, accounts, self._floors, held, holding, self._born_with)

    def find_damaged(self, missing: Mapping[int, str]) -> Found:
        """Find out who is there of users who are not told, by their numbers and the names that they had."""
        names = {number: name.encode("utf-8", "surrogateescape") for number, name in missing.items()}
        for some in pages(sorted(names.values()), USERS_AT_ONCE):
            self._ask_accounts(some)
        return find_damaged({number: self._accounts[name].account for number, name in names.items()})

    def _ask_all_accounts(self, held: Mapping[int, str]) -> None:
        """Ask for the accounts that are not known of all who are listed or held."""
        users = {*self._users, *(name.encode("utf-8", "surrogateescape") for name in held.values())}
        for names in pages(sorted(users - self._accounts.keys()), USERS_AT_ONCE):
            self._ask_accounts(names)

    @property
    def _born_with(self) -> Mapping[bytes, bytes]:
        """What a user has whom the server makes itself, and tells in an export alone; nothing where others may have."""
        return {b"u_uid": NO_UID, b"u_version": self._version} if self.logs_in_by_itself and self._version else {}

    def note_floors(self, expiry: Mapping[int, bytes]) -> None:
        """Have it be known what expires on floors, by their numbers: rooms tell that, and are not asked again."""
        for name, room in self._told.items() if expiry else ():
            parameters = room.parameters.split(b"|")
            if len(parameters) > 4 and parameters[4].isdigit() and int(parameters[4]) in expiry:
                self._told[name] = room._replace(floor_expiry=expiry[int(parameters[4])])

    def _long_settings(self, rooms: Set[int]) -> Iterator[bytes]:
        """Yield the network configurations of rooms that had one, where it is too long for the list of settings."""
        listed = {line.partition(b"|")[0] for line in self._settings}
        for name in (netconf_setting(room) for room in rooms):
            if name.encode() not in listed and (value := self._client.setting(name)) is not None:
                yield b"%s|%s" % (name.encode(), value)

    @property
    def _all_entered(self) -> bool:
        return self._rooms.keys() <= self._told.keys()

    @property
    def told_kinds(self) -> Set[str]:
        """Of which kinds of collections all is told; not of rooms where one could not be entered."""
        return TOLD_KINDS if self._all_entered else TOLD_KINDS - {"rooms", "netconf"}

    def rooms_but(self, known: Container[int]) -> list[bytes]:
        """Return the names of the rooms that could be entered, but those of some numbers."""
        return [name for name, room in self._told.items() if room.number not in known]

    def ask(self) -> Moved:
        """Tell what moved since this was asked last."""
        highest = self._highest
        changed, somebody = self._ask_settings()
        waited = self._clock() - self._listed_at >= self._often.idle_look_s
        found = Moved(frozenset(), False)
        if somebody or waited or highest != self._highest:
            found = self._list_all()
        return Moved(found.rooms, changed or found.others or self._sweep_accounts())

    def list_rooms(self, names: Iterable[bytes]) -> tuple[dict[bytes, Room], bool]:
        """Return what rooms tell of themselves, by their names, and whether anything but their messages changed.

        One that is not listed any more is left out: its name may still enter it, as a server heeds no case.
        """
        found: dict[bytes, Room] = {}
        changed = False
        for some in pages([name for name in names if name in self._rooms], ROOMS_AT_ONCE):
            told, other = self._ask_rooms(some, messages=True)
            found |= told
            changed |= other
        return found, changed

    def entrance_of(self, number: int) -> Entrance | None:
        """Return how a room is entered by the name by which it was listed last; None where none of that number was."""
        name = self._names.get(number, b"")
        room = self._told.get(name)
        return self.entrance(name) if room is not None and room.number == number else None

    def entrance(self, name: bytes) -> Entrance:
        """Return how a room that is listed is entered."""
        password = self.passwords.get(name, b"").decode("utf-8", "surrogateescape")
        return Entrance(_text(name), password, self._rooms[name].changed)

    def _ask_settings(self) -> tuple[bool, bool]:
        """Tell whether settings changed, and whether somebody is logged in."""
        settings, sessions = self._client.ask_all([b"CONF LISTVAL", b"RWHO"])
        self._highest, values = read_settings(settings)
        changed, self._values, self._settings = values != self._values, values, settings[1:-1]
        self._present = people(sessions)
        return changed, bool(self._present)

    def _list_all(self) -> Moved:
        """Ask for the lists of rooms, users and floors, and tell what moved."""
        self._listed_at = self._clock()
        time, rooms, users, floors = self._client.ask_all([b"TIME", b"LKRA", b"LIST", b"LFLR"])
        lines, people = self._read_rooms(rooms[1:-1]), self._read_users([*users[1:-1], *floors])
        found = moved(self._rooms, lines, self._looked)
        others = found.others or people != self._people
        calls, new = self._read_calls(users[1:-1]), {line.partition(b"|")[0] for line in people - self._people}
        for name in new:
            self._accounts.pop(name, None)
        self._numbers[0].update((_named(name), calls[name][0]) for name in new & calls.keys())
        named = self._rooms_that_name(line.partition(b"|")[0] for line in people ^ self._people)
        self._rooms, self._people = lines, people
        clock = time[0] if time else b""
        self._looked, self._offset, self._started = read_time(clock), read_offset(clock), read_started(clock)
        self._users, self._floors = self._read_names(users[1:-1]), floors[1:-1]
        self._calls = calls
        for gone in self._told.keys() - lines.keys():
            self._names.pop(self._told.pop(gone).number, None)
            self._configuration.pop(gone, None)
        for gone in self._accounts.keys() - set(self._users):
            del self._accounts[gone]
        return Moved(found.rooms | (named & lines.keys()), others)

    def _rooms_that_name(self, users: Iterable[bytes]) -> Set[bytes]:
        """Return the rooms whose aides have these names: who has one, and whether anybody, may be otherwise now."""
        names = set(users)
        return {room for room, told in self._told.items() if names and name_of_aide(told) in names}

    def _ask_rooms(self, names: list[bytes], *, messages: bool) -> tuple[dict[bytes, Room], bool]:
        commands: list[bytes] = []
        counts = []
        for name in names:
            its_own = _use(name) in _OF_CONFIGURATION
            lists = [THEIR_HOLDINGS if its_own else ITS_MESSAGES] if messages or its_own else []
            asked = [*AT_A_ROOM, *lists]
            commands += [b"GOTO %s|%s|1" % (name, self.passwords.get(name, b"")), *asked]
            counts.append(1 + len(asked))
        answers = iter(self._client.ask_all(commands))
        found: dict[bytes, Room] = {}
        changed = False
        for name, count in zip(names, counts, strict=True):
            room = read_room([next(answers) for _ in range(count)])
            if room is None:
                changed = True  # it is gone, renamed, or its password is another one
                continue
            found[name] = room
            changed |= self._note_room(name, room)
        return found, changed

    def _note_room(self, name: bytes, room: Room) -> bool:
        """Remember how a room looks; tells whether it looked otherwise before."""
        if name == setting(self._values, AIDE_ROOM):
            self.aide_room = room.told.number
        changed = self._told.get(name) != room.told
        self._told[name] = room.told
        self._names[room.told.number] = name
        self._note_view(room.told.number, view_of(room.told))
        self._numbers[1][_named(name)] = room.told.number
        if _use(name) in _OF_CONFIGURATION:
            changed |= self._configuration.get(name) != room.kept
            self._configuration[name] = room.kept
        return changed

    def _note_view(self, room: int, view: str) -> None:
        if view and self.views.setdefault(room, view) != view:
            self._viewed.add(room)
            self.views[room] = view

    def _sweep_accounts(self) -> bool:
        """Ask for the next accounts if it is time, and tell whether any changed."""
        if not self._users or self._clock() - self._swept_at < self._often.users_s:
            return False
        self._swept_at = self._clock()
        begin = self._next_user if self._next_user < len(self._users) else 0
        names = self._users[begin : begin + MAX_USERS]
        self._next_user = begin + MAX_USERS
        changed = [self._ask_accounts(some) for some in pages(names, USERS_AT_ONCE)]
        return any(changed)

    def _ask_accounts(self, names: list[bytes]) -> bool:
        answers = self._client.ask_all([b"%s %s" % (verb, name) for name in names for verb in (b"AGUP", b"AGEA")])
        told = {name: read_account(*answers[2 * at : 2 * at + 2]) for at, name in enumerate(names)}
        before = {name: user.shown for name, user in self._accounts.items() if name in told}
        self._accounts |= told
        return any(before.get(name) != user.shown for name, user in told.items())


def passwords_of(rooms: Iterable[tuple[str, str]]) -> dict[bytes, bytes]:
    """Return rooms' passwords by their names as the server lists them."""
    return {name.encode("utf-8", "surrogateescape"): password.encode() for name, password in rooms if password}


def _named(name: bytes) -> bytes:
    """Return a name as a server compares it: it heeds no case, and blanks are as good as others after one another."""
    return b" ".join(name.lower().split())


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _use(name: bytes) -> Use:
    return use_of_room(name.decode("utf-8", "replace"), "")
