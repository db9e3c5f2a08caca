"""From the elements of a MIGR export to records in a store.

Messages come last in an export and don't say in which rooms they are, so what the earlier elements say of them (room
lists, seen sets, references) is kept in a scratch database on disk: memory stays flat.  Every batch is one
transaction together with what is remembered of it and the place reached, so an import that was interrupted goes on
where it was.  Of what the server said when it was looked at last (mirror.citadel.looks.look) just what is new or was
changed is written, and messages that it has still are not even read.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from mirror.citadel.looks.decided import Expiry
from mirror.citadel.looks.known import compare_configuration, compare_messages, compare_references
from mirror.citadel.looks.listed import NOWHERE, Absent, Listed, Reference
from mirror.citadel.looks.look import Look
from mirror.citadel.looks.prints import Part
from mirror.citadel.looks.remembered import HIGHEST_KEY, Identity, place_of
from mirror.citadel.meaning.damaged import OF_A_FILE, anybody_damaged, is_sound, nobody_damaged
from mirror.citadel.meaning.expiry import Policies
from mirror.citadel.meaning.homes import INBOX_RULES, in_force_elsewhere
from mirror.citadel.meaning.keys import ROOMS, USERS, Keys, Numbers, names_of_users, read_keys
from mirror.citadel.meaning.marks import Visits, changes, shortened, tag_of
from mirror.citadel.meaning.returned import SHOWN, as_here, rules_as_here, text_as_here
from mirror.citadel.migr.folders import Folders
from mirror.citadel.migr.leftovers import FileRoom, file_room
from mirror.citadel.migr.posted import Known, Posted, Room, read_posted
from mirror.citadel.migr.proposals import Proposal, as_taken, read_proposal, tag_of_lines
from mirror.citadel.migr.put_together import PASSWORDED
from mirror.citadel.migr.report import NOTHING_ACCEPTED, Accepted, Report
from mirror.citadel.protocol.pieces import VERSION, Wanted
from mirror.formats.errors import CitadelError
from mirror.formats.keys import (
    BORN_IMPORTED,
    imported_origin,
    message_id,
    message_key,
    message_stamp,
    seconds_stamp,
    stamp_in_time,
)
from mirror.formats.migr import Broken, Element, Raw, Skipped, cut_elements, read_element
from mirror.formats.numbers import MAX_DIGITS, number_or_zero, parse_number, split_numbers
from mirror.formats.sequence_set import EMPTIED, NOTHING_SEEN, readable_set
from mirror.formats.server_own import (
    MOMENTARY,
    NETCONF_SETTING,
    ROOM_PASSWORD_CHARACTERS,
    Use,
    is_own_setting,
    replicated,
    setting_type,
    use_of_room,
    user_of_room,
)
from mirror.model.containers import picture_of_room, picture_of_user, room_told_of
from mirror.model.fields import Value, fields_at, values_of
from mirror.model.keys import MESSAGE_PREFIX, key_of_id
from mirror.model.kinds import ITEM_PREFIX, Collection, parse_collection, room_of
from mirror.model.record import Record, Version, pack_head
from mirror.model.stamp import format_stamp
from mirror.store.base import Store
from mirror.sync.foreign.plan import There
from mirror.sync.share.rules import NETCONF, NETCONF_KEY
from netconf.selection import matches

CONTENT_TYPE_KEY = "application/x-citadel-"
"""Config keys that begin so hold the number of the message whose text is the setting."""
USER_SETTINGS, ORPHANS = "user-settings", "orphans"
_HOLDING = {Use.USER_CONFIGURATION: USER_SETTINGS, Use.CONFIGURATION: ORPHANS}
"""By what a room is for, the collection that has those of its messages which hold nothing else."""
CREATED_KEY = "c_config_created_or_migrated"
"""The setting that says when the server was set up: the time of everything that has none of its own."""

NO_AIDE = "-1"
"""The user number of a room's aide where nobody is."""
LAST_CALL = "u_lastcall"
RISING = frozenset({LAST_CALL})
"""Of a user's fields, that of which the greatest counts: a log-in says nothing of the others."""

Fetch = Callable[[list[Wanted]], Iterable[Element | Broken]]
"""Asks a server for single messages; what it returns ends the export that is being read."""
PROGRESS_BEFORE_MESSAGES = 25
"""What a server says of its progress when it begins to export messages, in hundredths."""
FEW_SHARE, FEW_AT_LEAST = 20, 20
"""Messages are asked for one by one where they are at most one in so many of all, or not more than these."""

_KEPT = (Use.PEOPLE, Use.USER_CONFIGURATION)
"""What rooms are for whose messages are kept."""
_KINDS_OF: dict[str, tuple[str, ...]] = {
    "config": ("config", "netconf"),
    "user": ("users", "bios", "pictures", INBOX_RULES),
    "room": ("rooms", "room-info", "pictures", "messages", "visits", "netconf", USER_SETTINGS),
    "room_messages": ("messages", USER_SETTINGS),
    "floor": ("floors",),
    "visit": ("visits",),
    "message": (ORPHANS,),
}
"""By element, the kinds of collections of which something may be missing where such an element was refused."""
_BY_FIELDS = ("rooms", "floors")
"""Collections of which single fields may be told."""
_NOT_READ = (Use.QUEUE, Use.KILLED, Use.LEFT_OUT)
_NEVER_OURS = (Use.CONFIGURATION, Use.USER_CONFIGURATION, Use.QUEUE)
_KINDS = frozenset(kind for kinds in _KINDS_OF.values() for kind in kinds)


BLOCK = 1024 * 1024
"""Bytes read from a file at once."""


def import_file(
    store: Store,
    file: Path,
    node: str = "",
    progress: Callable[[int], None] | None = None,
    accepted: Accepted = NOTHING_ACCEPTED,
) -> Report:
    """Take over the export in a file.  Repeated after an interruption, it goes on where it was.

    ``node`` is taken when the export doesn't name its own; ``progress`` is told how many bytes were read.  Raises
    OSError when the file cannot be read; CitadelError or a store's error, and then what was committed stays.
    """
    state = file.stat()
    # Named so that another export, or a changed one, is not taken for the rest of this one.
    source = f"{file.resolve()}:{state.st_size}:{state.st_mtime_ns}"
    with file.open("rb") as stream:
        return import_blocks(store, source, read_blocks(stream), node, progress, accepted)


def import_blocks(
    store: Store,
    source: str,
    blocks: Iterable[bytes],
    node: str = "",
    progress: Callable[[int], None] | None = None,
    accepted: Accepted = NOTHING_ACCEPTED,
) -> Report:
    """Take over an export that comes from no server that could be asked; ``source`` as in ``Importer``, else as above.

    Users whom it does not tell wait, unless deletions are accepted: their accounts may be damaged.
    """
    damaged = nobody_damaged if accepted.deletions else anybody_damaged
    accepted = accepted._replace(damaged=damaged, damaged_why=OF_A_FILE)
    return Importer(store, source, node, progress, accepted).run(blocks)


def _place_name(source: str) -> str:
    return f"import:{source}"


def forget_place(store: Store, source: str) -> None:
    """Have the next import of a source begin at its beginning."""
    name = _place_name(source)
    if store.read(lambda reader: reader.meta_number(name)):
        store.write(lambda writer: writer.set_meta(name, 0))


def read_blocks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield what a stream holds, block by block."""
    while block := stream.read(BLOCK):
        yield block


class Importer:
    """Turns elements into records of one store; use once."""

    def __init__(
        self,
        store: Store,
        source: str,
        node: str = "",
        progress: Callable[[int], None] | None = None,
        accepted: Accepted = NOTHING_ACCEPTED,
        only: Sequence[str] = (),
        keys: Keys | None = None,
        told: Set[str] = frozenset(),
    ) -> None:
        """``source`` names the export in messages and for resuming; ``node`` is taken when it doesn't name its own.

        ``only`` are patterns of the shell for the names of rooms that are taken over, all of them where there is none;
        ``keys`` are those of a server that is yet to be paired.  ``told`` is for what is no whole export, and not all
        fields of users, rooms and floors: the kinds of collections that it has something of.
        """
        self.report = Report(node=node)
        self.file_rooms: list[FileRoom] = []
        self._store = store
        self._source = source
        self._progress = progress or (lambda _done: None)
        self._accepted = accepted
        self._only = only
        self._keys = keys or Keys(node)
        self._to_be_paired = keys
        self._left_out: set[str] = set()
        self._policies = Policies()
        self._listed = Listed()
        self._config: list[tuple[str, str, int]] = []
        self._proposals: dict[int, Proposal] = {}
        self._settings: dict[str, tuple[int, int, str]] = {}
        self._created = 1
        self.users: dict[int, str] = {}
        """Names of those who were told, by their numbers."""
        self._damaged: set[int] = set()
        """Users whose accounts tell nothing that can be taken over."""
        self.rooms: dict[int, Room] = {}
        self._room_numbers: dict[str, int] = {}
        self._room_keys: dict[int, str] = {}
        self._partial = bool(told)
        self._doubtful: set[str] = set(_KINDS - told) if told else set()
        self._same: set[str] = set()
        self._untrusted: set[str] = set()
        self._end = 0
        self._begun = self._compared = self._fetched = False
        self._version_told = ""

    def run(self, blocks: Iterable[bytes], fetch: Fetch | None = None, *, few: bool = True) -> Report:
        """Import all of an export.  Raises CitadelError or a store's error; what was committed stays.

        Where few of its messages are new, ``fetch`` is asked for these, and the rest of the export is not read;
        without ``few`` also where many are, and what is in no room is left to another look.
        """
        try:
            self._read(blocks, fetch, few)
            self._finish()
        finally:
            self._close()
        return self.report

    @property
    def known(self) -> Known:
        """What is needed to look at single rooms, once all but the messages was read."""
        return Known(self.report.node, self._created, self.rooms, self._policies, self.file_rooms, self._keys)

    def _close(self) -> None:
        self._listed.close()
        if self._begun:
            self._visits.close()
            self._look.close()

    def _read(self, blocks: Iterable[bytes], fetch: Fetch | None, few: bool) -> None:
        resume = self._store.read(lambda reader: reader.meta_number(_place_name(self._source)))
        for raw in cut_elements(blocks):
            if not (isinstance(raw, Raw) and self._keep_visit(raw)):
                item = raw if isinstance(raw, Broken) else read_element(raw, resume)
                wanted = self._wanted_alone(item, few) if fetch is not None else None
                if fetch is not None and wanted is not None:
                    self._fetch(fetch, wanted)
                    break
                self._take_item(item)
            # Not before: an import that goes on after this place has all that is before it.
            self._end = raw.end
            self._progress(self._end)
        self._finish_config()

    def _take_item(self, item: Element | Broken | Skipped) -> None:
        if isinstance(item, Skipped):
            self._listed.arrived(item.number)
        elif isinstance(item, Broken):
            self._take_broken(item)
        else:
            self._take(item)

    def _wanted_alone(self, item: Element | Broken | Skipped, few: bool) -> list[Wanted] | None:
        """Return which messages are to be asked for one by one, None where it is not yet known or too many are."""
        if self._compared or not isinstance(item, Element) or not (self.rooms and _ends_rooms(item)):
            return None
        self._compare()
        wanted = self._listed.wanted()
        if not self._partial and (not self._look.last.looked or self._version_told != VERSION):
            return None
        many = len(wanted) > max(FEW_AT_LEAST, self._listed.count() // FEW_SHARE)
        if few and (many or any(room is None for _, room in wanted)):
            return None
        rooms = [(number, self.rooms[room]) for number, room in wanted if room is not None]
        return [Wanted(room.name, room.password, number) for number, room in rooms]

    def _fetch(self, fetch: Fetch, wanted: list[Wanted]) -> None:
        """Take over just these messages; of those that no room lists an export alone tells."""
        self._doubtful.add(ORPHANS)
        for item in fetch(wanted):
            self._take_item(item)
        self.report.elements["message"] = self._listed.messages()
        self._fetched = True

    def _finish(self) -> None:
        """Take over what had to wait for the end, delete what the server has no more, and remember that it was seen."""
        self._compare()
        for kind, (stamp, _, text) in self._settings.items() if not self._keys.paired else ():
            self._fields("config", kind, {"text": text}, stamp)
        self._flush()
        self._name_absent()
        self._name_passed_over()
        # A visit's status says which marks are taken over, so it comes behind them.
        for visit in self._visits.all():
            self._tell(visit)
        self._flush()
        whole = not self.report.truncated
        if whole:
            self._delete_missing()
        self._look.end(whole)
        if whole and not self._partial and self._doubtful <= {ORPHANS}:
            self._remember_rooms()
        self.report.applied, self.report.deleted = self._look.applied, self._look.missing.deleted
        self.report.held, self.report.gone = self._look.missing.held, self._look.missing.gone
        forget_place(self._store, self._source)

    def _delete_missing(self) -> None:
        """Delete what the server has no more, but for what may be missing in the export alone."""
        whole = _KINDS - self._doubtful

        def listed(collection: str) -> bool:
            kind, room = parse_collection(collection)
            return kind in whole and room not in self._left_out and room not in self._same

        expiry = Expiry(
            {str(Collection("messages", self._key(number))): self._policies.of(number) for number in self.rooms},
            self._store.clock.now_ms() // 1000,
            self._accepted.keep_expired,
        )
        damaged = {self._keys.user(number) for number in self._damaged | self._untold}
        absent = {one.number for one in self._listed.absent()}

        def is_lost(number: int) -> bool:
            """What was moved and has no text where it is now is lost, too."""
            return number in absent or self._accepted.lost(number)

        accepted = self._accepted
        self._look.missing.delete(
            listed, accepted.decision, expiry, accepted.purge, damaged, is_lost, damaged_why=accepted.damaged_why
        )

    def _remember_rooms(self) -> None:
        """Remember the rooms of which all was taken over: while they say the same they are not looked at."""
        self._untrusted |= {room_of(held.collection) for held in self._look.missing.held}
        keys = {self._key(number) for number, room in self.rooms.items() if room.use is Use.PEOPLE}
        self._look.remember_rooms(sorted(keys - self._untrusted - self._same))

    def _take_broken(self, item: Broken) -> None:
        if item.truncated:
            self.report.truncated = True
            self.report.refuse(item.name, item.line, item.reason)
        else:
            self._lose(f"line {item.line}: <{item.name}>: {item.reason}", item.name)

    def _lose(self, text: str, element: str = "") -> None:
        """Name an element, or a record of it, that is left out as a whole; of an element, its kind."""
        self.report.lose(text)
        self._doubtful.update(_KINDS_OF.get(element, ()))

    # -- elements ---------------------------------------------------------------------------------

    def _take(self, element: Element) -> None:
        lines = self.report.lines
        if element.notice:
            self.report.notice(f"line {element.line}: <{element.name}>: {element.notice}")
        self._take_sound(element)
        if self.report.lines != lines:
            self._untrusted.update(self._rooms_named(element))

    def _take_sound(self, element: Element) -> None:
        counts = self.report.elements
        if element.name == "config":
            self._take_config(element)
        elif element.name in _HANDLERS:
            self._finish_config()
            try:
                _HANDLERS[element.name](self, element)
            except (CitadelError, ValueError) as error:
                self._lose(f"line {element.line}: <{element.name}>: {error}", element.name)
                return
        elif element.name == "version":
            self._version_told = element.text.strip()
        elif element.name != "progress":
            self.report.notice(f"line {element.line}: <{element.name}> is no element this version knows; left out")
            return
        counts[element.name] = counts.get(element.name, 0) + 1

    def _take_config(self, element: Element) -> None:
        self._config.append((element.key, element.text, element.line))

    def _finish_config(self) -> None:
        """Write the settings, once all are there: they name the node and the time everything else needs."""
        if self._begun and not self._config:
            return
        settings = {key: text for key, text, _ in self._config}
        self.report.node = settings.get("c_nodename", "").strip().lower() or self.report.node
        if not self.report.node:
            raise CitadelError(
                f"{self._source}: no setting c_nodename before line {self._config[-1][2] if self._config else 1}, "
                "so it is no MIGR export or a damaged one; give the server's node name with --node"
            )
        if not self._begun:
            self._begin_look(settings)
        created = next((setting for setting in self._config if setting[0] == CREATED_KEY), (CREATED_KEY, "", 1))
        self._created = self._in_time(f"line {created[2]}: <config>: {CREATED_KEY}", seconds_stamp(created[1]))
        for key, text, line in self._config:
            self._settle(key, text, line)
        self._config = []

    def _begin_look(self, settings: Mapping[str, str]) -> None:
        node = self.report.node
        self._keys = self._to_be_paired or self._store.read(lambda reader: read_keys(reader, place_of(node), node))
        self._look = Look(self._store, node, paired=self._keys.paired, keys=self._keys.digest)
        self._visits = Visits(self._look.place, self._store)
        self._folders = Folders(self._store, self._look.place)
        self._begun = True
        identity = Identity(settings.get(CREATED_KEY, "").strip(), number_or_zero(settings.get(HIGHEST_KEY, "")))
        self._look.begin(identity, self._accepted.older)
        place = self._look.place
        for kind, key in self._store.read(lambda reader: in_force_elsewhere(reader, place)):
            # That the server does not tell them is no deletion.
            if kind == USERS:
                self._look.has(INBOX_RULES, [key])
            elif kind == ROOMS:
                self._look.has(str(Collection(NETCONF, key)), [NETCONF_KEY])

    def _settle(self, key: str, text: str, line: int) -> None:
        if key.startswith(NETCONF_SETTING):
            self._propose(key, text, line)
        elif self._keys.paired:
            return  # what is shared has the settings of the server that was here before
        elif key.startswith(CONTENT_TYPE_KEY) and (number := number_or_zero(text)):
            self._refer_to(number, "config", key, self._created, line, field="text")
        elif is_own_setting(key):
            self._look.missing.unwant("config", [key])
        elif key:
            self._policies.set(key, text)
            self._fields("config", key, {"value": text}, self._created)

    def _propose(self, key: str, text: str, line: int) -> None:
        try:
            proposal = read_proposal(key, text, line)
        except CitadelError as error:
            self._lose(f"line {line}: <config>: {error}", "config")
        else:
            self._proposals[proposal.room] = proposal

    def _take_proposal(self, room: int) -> None:
        """Write what a room's lines say, once it is known to be a room of ours."""
        proposal = self._proposals.pop(room, None)
        if proposal is None:
            return
        self._untrusted.add(self._key(room))
        collection = str(Collection(NETCONF, self._key(room)))
        if proposal.shares:
            where = f"line {proposal.line}: room #{room} shares with other nodes"
            self.report.notice(f"{where}: see 'ctdlmirror netconf import'")
        place, key = self._look.place, self._key(room)
        taken = self._store.read(lambda reader: as_taken(reader, place, key, collection, proposal))
        if taken is None:
            self._look.has(collection, [NETCONF_KEY])
        else:
            tag = tag_of_lines(proposal.body)
            self._draft(collection, NETCONF_KEY, self._created, taken.head, taken.body, tag=tag)

    def _take_user(self, element: Element) -> None:
        fields = element.children
        number = _number(fields, "u_usernum")
        if not number and (self._keys.paired or not fields.get("u_fullname")):
            return  # 902 has one without a name beside SYS_Citadel, the server itself, and both have number 0
        self.users[number] = fields.get("u_fullname", "")
        if not is_sound(fields.get("u_fullname", ""), str(number), fields.get("u_axlevel", "0")):
            self._pass_over_damaged(element, number)
            return
        key, origin = self._keys.user(number), imported_origin(self.report.node)
        called = self._in_time(
            f"line {element.line}: <user>: u_lastcall of user {number}", seconds_stamp(fields.get(LAST_CALL, ""))
        )
        told = self._keys.user_fields(replicated(element.name, fields), number)
        said = {
            name: (value, called if name in RISING else self._created, origin)
            for name, value in _lasting(told, "u_fullname").items()
        }
        stamp = max(self._created, called if LAST_CALL in said else 1)
        record = Record("users", key, stamp, origin, BORN_IMPORTED, head=pack_head(said))
        self._tell(There(key, record, rising=RISING, partial=self._partial))
        stamp = self._created
        self._refer(element, "u_msgnum_bio", "bios", key, stamp)
        self._refer(element, "u_msgnum_pic", "pictures", picture_of_user(key), stamp)
        self._refer(element, "u_msgnum_inboxrules", INBOX_RULES, key, stamp)

    def _pass_over_damaged(self, element: Element, user: int) -> None:
        """Take nothing over from an account that the server damaged: what is here of it stays as it is."""
        self._damaged.add(user)
        self._look.has("users", [self._keys.user(user)])
        self.report.notice(
            f"line {element.line}: <user>: the account of user {user} is damaged: nothing of it is taken over, and "
            "what is here stays; mend it on the server, or delete it there"
        )

    def _is_gone(self, user: int) -> bool:
        """Tell whether a server names a user whom it does not have any more."""
        if user <= 0 or user in self.users or "users" in self._doubtful:
            return False
        return user not in self._untold

    @cached_property
    def _untold(self) -> Set[int]:
        """Who is not told though the server did not delete them: asked for once all users were read."""
        if self._accepted.damaged is nobody_damaged:
            return frozenset()
        held = self._store.read(lambda reader: names_of_users(reader, Numbers(self._keys)))
        taken = {name.casefold() for name in self.users.values()}  # whoever had a name that is another's is gone
        untold = held.keys() - self.users.keys()
        return self._accepted.damaged({one: held[one] for one in untold if held[one].casefold() not in taken})

    def _take_room(self, element: Element) -> None:
        fields = element.children
        if not number_or_zero(fields.get("QRflags", "")) & PASSWORDED and "QRpasswd" in fields:
            fields["QRpasswd"] = ""  # one that is not in force, which is told nowhere else
        nobody = self._is_gone(number_or_zero(fields.get("QRroomaide", "")))
        if nobody:
            fields["QRroomaide"] = NO_AIDE
        number = _number(fields, "QRnumber")
        changed = self._in_time(
            f"line {element.line}: <room>: QRmtime of room {number}", seconds_stamp(fields.get("QRmtime", ""))
        )
        stamp = max(self._created, changed)
        name = fields.get("QRname", "")
        use = self._use_of(name, fields.get("QRdefaultview", ""))
        if use is Use.PEOPLE and self._look.knows_some:
            self._keys = self._folders.pair(self._keys, number, name)
        password = fields.get("QRpasswd") or self._held_password(self._keys.room(number, name), "QRpasswd" in fields)
        room = Room(name, password, fields.get("QRgen", "0"), stamp, changed, use)
        self.rooms[number] = room
        self._policies.room(number, fields)
        self._room_numbers[name] = number
        key = self._key(number)
        if room.use is Use.PEOPLE:
            self.file_rooms += filter(None, [file_room(fields)])
            if self._is_same(key, Part.ROOM, element.data + NO_AIDE.encode() * nobody):
                self._look.has("rooms", [key])
                self._look.unchanged(1)
            else:
                said = _lasting(self._keys.room_fields(replicated(element.name, fields), key), "QRname")
                self._fields("rooms", key, said, stamp)
            self._take_proposal(number)
        elif room.use in _NEVER_OURS:
            self._look.missing.unwant("rooms", [key])
        elif room.use is Use.LEFT_OUT:
            self._leave_out(key)
        info, picture = ("room-info", "pictures") if room.use is Use.PEOPLE else (NOWHERE, NOWHERE)
        self._refer(element, "msgnum_info", info, key, stamp)
        self._refer(element, "msgnum_pic", picture, picture_of_room(key), stamp)

    def _held_password(self, key: str, told: bool) -> str:
        """Return a room's password as far as a server keeps it, where it does not tell it; else nothing."""
        held = None if told else self._store.read(lambda reader: reader.get("rooms", key))
        return str(values_of(held).get("QRpasswd", ""))[:ROOM_PASSWORD_CHARACTERS]

    def _use_of(self, name: str, view: str) -> Use:
        use = use_of_room(name, view)
        if use is not Use.PEOPLE or not self._only:
            return use
        return Use.PEOPLE if any(matches(name, pattern) for pattern in self._only) else Use.LEFT_OUT

    def _leave_out(self, key: str) -> None:
        """Take a room for one of which nothing is told: what was taken over of it once stays as it is."""
        self._left_out.add(key)
        for collection, name in (("rooms", key), ("room-info", key), ("pictures", f"room {key}")):
            self._look.has(collection, [name])

    def _take_room_messages(self, element: Element) -> None:
        name = element.children.get("FRname", "")
        if name not in self._room_numbers:
            raise ValueError(f"room {name!r} is not in the export")
        room = self._room_numbers[name]
        numbers, odd = split_numbers(element.children.get("FRmsglist", ""))
        for piece in odd:
            self.report.refuse(
                element.name, element.line, f"room {name!r} lists {piece[:40]!r}, which is no message number"
            )
        use = self.rooms[room].use
        # A server breaks the lines of a list elsewhere each time.
        same = self._is_same(self._key(room), Part.LIST, b"".join(element.data.split())) and use is Use.PEOPLE
        wanted = use not in _NOT_READ and not same
        self._listed.in_room(room, numbers, element.line, wanted)

    def _take_floor(self, element: Element) -> None:
        number = _number(element.children, "f_num")
        self._policies.floor(number, element.children)
        said, key = replicated(element.name, element.children), self._keys.floor(number)
        if self._keys.paired and not said.get("f_name") and not self._look.statuses.tags("floors", [key]):
            return  # a place for a floor, of which each server has as many
        self._fields("floors", key, said, self._created)

    def _keep_visit(self, raw: Raw) -> bool:
        """Keep a visit until it is known whether its room says anything new; tells whether it is one."""
        room = _VISITED.search(raw.data) if raw.name == "visit" else None
        if room is None:
            return False
        self._finish_config()
        number = int(room[1])
        self._look.prints.add(self._key(number), Part.VISITS, raw.data)
        self._visits.keep(number, raw.line, raw.data)
        return True

    def _take_visits(self) -> None:
        """Read the visits of rooms that say anything new."""
        same = 0
        for number, line, data in self._visits.unread():
            if self._key(number) in self._same:
                same += 1
            else:
                self._take_item(read_element(Raw("visit", data, line, 0)))
        if same:
            self._look.unchanged(same)
            self.report.elements["visit"] = self.report.elements.get("visit", 0) + same

    def _take_visit(self, element: Element) -> None:
        fields = element.children
        if fields.get("v_seen") == EMPTIED:
            fields["v_seen"] = NOTHING_SEEN
        number, user = _number(fields, "v_roomnum"), _number(fields, "v_usernum")
        room, key = self.rooms.get(number), self._keys.user(user)
        if self._is_gone(user) or (room is not None and room.use is not Use.PEOPLE):
            return  # the visits of who is gone go in the night, which nobody is told
        generation, collection = fields.get("v_roomgen", "0"), str(Collection("visits", self._key(number)))
        if room is None or room.generation != generation:
            # Void on the server too (a room forgotten or gone), but kept: the generation may be set back.
            self._fields(collection, f"{key}@{generation}", fields, self._created)
            return
        if self._look.is_another and not _has_marks(fields) and self._is_new(collection, key):
            return  # it was not told while it said no more, and what is here stands
        for name in ("v_seen", "v_answered"):
            self._name_unreadable(element, name)
        record = self._record(collection, key, self._created, self._head(fields, self._created))
        self._visits.put(record, tag_of(fields.get("v_seen", ""), fields.get("v_answered", "")))

    def _is_new(self, collection: str, key: str) -> bool:
        return self._store.read(lambda reader: reader.get(collection, key)) is None

    def _name_unreadable(self, element: Element, name: str) -> None:
        """Name what cannot be read of a visit's set of messages, or is not told; it takes nothing along."""
        if why := shortened(element.children.get(name, "")):
            room, user = element.children["v_roomnum"].strip(), element.children["v_usernum"].strip()
            self.report.notice(f"line {element.line}: <visit>: {name} of user {user} in room {room}: {why}")
        for reason in readable_set(element.children.get(name, "")).left_out:
            room, user = element.children["v_roomnum"].strip(), element.children["v_usernum"].strip()
            self.report.refuse(element.name, element.line, f"{name} of user {user} in room {room}: {reason}")

    def _take_message(self, element: Element) -> None:
        self._compare()
        number = _number(element.children, "msg_msgnum")
        self._listed.arrived(number)
        rooms, references = self._listed.rooms_of(number), self._listed.references_of(number)
        named = [wanted for _, wanted in rooms] + [reference.wanted for reference in references]
        if named and not any(named):
            ours = any(self.rooms[room].use in (*_KEPT, Use.LEFT_OUT) for room, _ in rooms)
            self.report.passed_over += not references and not ours
            return
        posted = read_posted(element, number)
        self._place_referenced(posted, references)
        placed = [
            self._place_in_room(room, posted, bool(references)) if wanted else self.rooms[room].use in _KEPT
            for room, wanted in rooms
        ]
        if references or any(placed):
            return
        self.report.notice(f"line {element.line}: <message>: message {number} is in no room; kept in 'orphans'")
        key = key_of_id(MESSAGE_PREFIX, message_id(posted.message, self.report.node, number))
        self._draft(ORPHANS, key, self._created, posted.head, posted.data, str(number))

    def _place_in_room(self, room: int, posted: Posted, referenced: bool) -> bool:
        """Keep a message that a room lists as what the room is for; tells whether it is kept."""
        use = self.rooms[room].use
        if use is Use.PEOPLE:
            self._file_message(room, posted)
        elif use is Use.USER_CONFIGURATION and not referenced:
            self._file_user_setting(room, posted)
        elif use is Use.CONFIGURATION and not referenced:
            return self._take_setting(room, posted)
        return use in (Use.PEOPLE, Use.USER_CONFIGURATION)

    def _file_message(self, room: int, posted: Posted) -> None:
        room_key, number = self._key(room), posted.number
        messages, visits = str(Collection("messages", room_key)), str(Collection("visits", room_key))
        key = message_key(posted.message, self.report.node, number)
        data = posted.data
        if self._look.knows_some:
            data = as_here(self._store, messages, key, posted.message, data)
        self._draft(messages, key, self._posted_at(room, posted), posted.head, data, str(number))
        was = self._look.statuses.number_of(messages, key) if key.startswith(ITEM_PREFIX) else 0
        for visitor in self._visits.visitors(visits):
            for change in changes(visits, visitor, [(key, was, number)], self._version(self._created)):
                self._look.change(change)

    def _file_user_setting(self, room: int, posted: Posted) -> None:
        user = self._keys.user(user_of_room(self.rooms[room].name))
        key = f"{user} {message_key(posted.message, self.report.node, posted.number)}"
        self._draft(USER_SETTINGS, key, self._posted_at(room, posted), posted.head, posted.data, str(posted.number))

    def _take_setting(self, room: int, posted: Posted) -> bool:
        """Take a setting as 902 keeps it: the last message of its type; tells whether a message is one."""
        text = posted.message.text("M")
        kind = setting_type(text)
        if kind:
            said = (self._posted_at(room, posted), posted.number, text)
            self._settings[kind] = max(said, self._settings.get(kind, said))
        return bool(kind)

    def _posted_at(self, room: int, posted: Posted) -> int:
        known = self.rooms[room]
        where = f"line {posted.line}: <message>: the id of message {posted.number}"
        return self._in_time(where, message_stamp(posted.message, known.changed), known.stamp)

    def _place_referenced(self, posted: Posted, references: Iterable[Reference]) -> None:
        """Store what users, rooms and settings refer to by a message's number."""
        for reference in references:
            _, collection, key, stamp, field, *_ = reference
            if not reference.wanted:
                continue
            if field:
                self._fields(collection, key, {field: posted.message.text("M")}, stamp, str(posted.number))
            else:
                data = posted.data
                if self._look.knows_some and collection in SHOWN:
                    data = text_as_here(self._store, collection, key, data)
                elif collection == INBOX_RULES:
                    data = rules_as_here(self._store, self._look.place, key, data)
                self._draft(collection, key, stamp, body=data, tag=str(posted.number))

    def _compare(self) -> None:
        """Hold what the server lists against what it listed last, once all but the messages was read."""
        if self._compared:
            return
        self._compared = True
        self._finish_config()
        rooms = {self._key(number): number for number, room in self.rooms.items() if room.use is Use.PEOPLE}
        self._same = self._look.prints.same(rooms)
        counts = self._listed.counts()
        self._look.unchanged(sum(counts.get(rooms.pop(key), 0) for key in self._same))
        self._take_visits()
        for key, number in rooms.items():
            self._look.has(str(Collection("messages", key)), map(str, self._listed.numbers_of(number)))
        compare_references(self._look, self._listed)
        for number, room in self.rooms.items():
            if room.use in _HOLDING:
                compare_configuration(self._look, self._listed, number, _HOLDING[room.use])
        if self._partial:
            return  # of these nothing is told, and no mark
        for change in compare_messages(self._look, self._listed, self._visits, rooms, self._version(self._created)):
            self._look.change(change)
            if self._look.full:
                self._flush()

    # -- records ----------------------------------------------------------------------------------

    def _key(self, room: int) -> str:
        key = self._room_keys.get(room)
        if key is None:
            known = self.rooms.get(room)
            key = self._keys.room(room, known.name if known is not None else "")
            if known is not None:
                self._room_keys[room] = key
        return key

    def _in_time(self, where: str, stamp: int, instead: int = 1) -> int:
        """Return a stamp unless it is ahead of this node's clock: then what stands in for it, with a notice."""
        kept = stamp_in_time(self._store.clock.limit(), stamp, instead)
        if kept != stamp:
            filed = f"filed as of {format_stamp(kept)}" if kept > 1 else "filed without a time"
            self.report.notice(f"{where} says {format_stamp(stamp)}, which has not come yet: {filed}")
        return kept

    def _version(self, stamp: int) -> Version:
        return Version(stamp, imported_origin(self.report.node))

    def _head(self, values: Mapping[str, Value], stamp: int) -> bytes:
        return fields_at(values, *self._version(stamp))

    def _record(self, collection: str, key: str, stamp: int, head: bytes) -> Record:
        return Record(collection, key, *self._version(stamp), BORN_IMPORTED, head=head)

    def _fields(self, collection: str, key: str, values: Mapping[str, Value], stamp: int, tag: str = "") -> None:
        record, partial = self._record(collection, key, stamp, self._head(values, stamp)), collection in _BY_FIELDS
        self._tell(There(key, record, tag=tag, partial=partial and self._partial))

    def _draft(
        self,
        collection: str,
        key: str,
        stamp: int,
        head: bytes = b"",
        body: bytes = b"",
        foreign: str = "",
        tag: str = "",
    ) -> None:
        """Say what the server has; it names that by its key, unless another name is given."""
        self._tell(There.of(foreign or key, self._record(collection, key, stamp, head), body, tag))

    def _tell(self, one: There) -> None:
        """Say what the server has; what no node would take is named."""
        if wrong := self._look.tell(one):
            self._lose(wrong)
            self._untrusted.add(room_told_of(one.record.collection, one.record.key))
        if self._look.full:
            self._flush()

    def _refer(self, element: Element, name: str, collection: str, key: str, stamp: int) -> None:
        """Remember which message holds what an element names by its number; 0 and nothing name none."""
        text = element.children.get(name, "").strip()
        try:
            number = parse_number(text, name) if text else 0
        except ValueError as error:
            self.report.refuse(element.name, element.line, f"{key}: {error}")
            return
        if number:
            self._refer_to(number, collection, key, stamp, element.line)

    def _refer_to(self, number: int, collection: str, key: str, stamp: int, line: int, field: str = "") -> None:
        self._listed.refer(Reference(number, collection, key, stamp, field, line, collection != NOWHERE))

    def _flush(self) -> None:
        name, end = _place_name(self._source), self._end
        self._look.flush(lambda writer: writer.set_meta(name, end))

    def _name_passed_over(self) -> None:
        for room, proposal in self._proposals.items():
            if room not in self.rooms:
                self.report.notice(
                    f"line {proposal.line}: <config>: room #{room} is not in the export; its lines are left out"
                )
        if self.report.passed_over:
            self.report.notice(f"{self.report.passed_over} messages of queues and of killed rooms are left out")

    def _is_same(self, room: str, part: Part, data: bytes) -> bool:
        """Note an element of a room; tells whether all that the room says in such is what it said last."""
        self._look.prints.add(room, part, data)
        return self._look.prints.is_same(room, part)

    def _rooms_named(self, element: Element) -> set[str]:
        """Return the rooms of which an element says something."""
        fields = element.children
        listing = self._room_numbers.get(fields.get("FRname", ""), 0)
        rooms = [listing, *(number_or_zero(fields.get(name, "")) for name in ("QRnumber", "v_roomnum"))]
        number = number_or_zero(fields.get("msg_msgnum", ""))
        rooms += [room for room, _ in self._listed.rooms_of(number)] if number else []
        named = {room_told_of(one.collection, one.key) for one in self._listed.references_of(number) if one.key}
        return named | {self._key(room) for room in rooms if room}

    def _name_absent(self) -> None:
        absent = 0
        for one in self._listed.absent():
            absent += 1
            self._untrusted.add(room_told_of(one.collection, one.key) if one.key else self._key(one.room))
            if not self._fetched:
                self._name_one_absent(one)
        if self._fetched and absent:
            self.report.notice(
                f"{absent} messages were gone before they were read; the next look brings what became of them"
            )

    def _name_one_absent(self, one: Absent) -> None:
        if one.key:
            self.report.refuse(one.collection, one.line, f"{one.key!r} refers to message {one.number}, which is absent")
        else:
            name = self.rooms[one.room].name
            self.report.refuse("room_messages", one.line, f"room {name!r} lists message {one.number}, which is absent")


def _has_marks(visit: Mapping[str, str]) -> bool:
    return visit.get("v_seen", "") not in ("", NOTHING_SEEN) or bool(visit.get("v_answered"))


def _lasting(fields: Mapping[str, str], name: str) -> dict[str, str]:
    """Leave a name out that something has for a moment, while two things swap theirs: it is as it was."""
    momentary = MOMENTARY in fields.get(name, "")
    return {field: value for field, value in fields.items() if not (momentary and field == name)}


def _ends_rooms(element: Element) -> bool:
    """Tell whether an export has told all of rooms and visits: the messages are next."""
    if element.name == "progress":
        text = element.text.strip()
        return text.isascii() and text.isdigit() and int(text) >= PROGRESS_BEFORE_MESSAGES
    return element.name == "message"


_HANDLERS: dict[str, Callable[[Importer, Element], None]] = {
    "user": Importer._take_user,
    "room": Importer._take_room,
    "room_messages": Importer._take_room_messages,
    "floor": Importer._take_floor,
    "visit": Importer._take_visit,
    "message": Importer._take_message,
}


_VISITED = re.compile(rb"<v_roomnum>\s*(\d{1,%d})\s*</v_roomnum>" % MAX_DIGITS)


def _number(fields: dict[str, str], name: str) -> int:
    return parse_number(fields.get(name, ""), name)
