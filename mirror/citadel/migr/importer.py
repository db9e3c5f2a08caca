"""From the elements of a MIGR export to records in a store.

Messages come last in an export and don't say in which rooms they are, so what the earlier elements say of them (room
lists, seen sets, references) is kept in a scratch database on disk: memory stays flat.  Every batch is one
transaction together with what is remembered of it and the place reached, so an import that was interrupted goes on
where it was.  Of what the server said when it was looked at last (mirror.citadel.looks.look) just what is new or was
changed is written, and messages that it has still are not even read.  What each kind of element becomes is in
mirror.citadel.migr.elements.
"""

import re
from collections.abc import Callable, Iterable, Sequence, Set

from mirror.citadel.looks.decided import Expiry
from mirror.citadel.looks.known import compare_configuration, compare_messages, compare_references
from mirror.citadel.looks.listed import Absent
from mirror.citadel.looks.prints import Part
from mirror.citadel.meaning.keys import Keys
from mirror.citadel.migr.elements.messages import take_message
from mirror.citadel.migr.elements.rooms import take_floor, take_room, take_room_messages
from mirror.citadel.migr.elements.settings import take_settings
from mirror.citadel.migr.elements.users import take_user
from mirror.citadel.migr.elements.visits import take_visit
from mirror.citadel.migr.names import ORPHANS, USER_SETTINGS
from mirror.citadel.migr.posted import Known
from mirror.citadel.migr.reached import forget_place, place_reached
from mirror.citadel.migr.report import NOTHING_ACCEPTED, Accepted, Report
from mirror.citadel.migr.told import KINDS, Told
from mirror.citadel.protocol.pieces import VERSION, Wanted
from mirror.formats.errors import CitadelError
from mirror.formats.migr import Broken, Element, Raw, Skipped, cut_elements, read_element
from mirror.formats.numbers import MAX_DIGITS, number_or_zero
from mirror.formats.server_own import Use
from mirror.model.containers import room_told_of
from mirror.model.kinds import Collection, parse_collection, room_of
from mirror.store.base import Store

_HOLDING = {Use.USER_CONFIGURATION: USER_SETTINGS, Use.CONFIGURATION: ORPHANS}
"""By what a room is for, the collection that has those of its messages which hold nothing else."""


Fetch = Callable[[list[Wanted]], Iterable[Element | Broken]]
"""Asks a server for single messages; what it returns ends the export that is being read."""
PROGRESS_BEFORE_MESSAGES = 25
"""What a server says of its progress when it begins to export messages, in hundredths."""
FEW_SHARE, FEW_AT_LEAST = 20, 20
"""Messages are asked for one by one where they are at most one in so many of all, or not more than these."""


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
        self._told = Told(store, source, node, accepted, only, keys, told)
        self.report, self.rooms, self.file_rooms = self._told.report, self._told.rooms, self._told.file_rooms
        self.users = self._told.users
        self._progress = progress or (lambda _done: None)
        self._config: list[tuple[str, str, int]] = []
        self._compared = self._fetched = False
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
        return Known(
            self.report.node,
            self._told.created,
            self.users.keys(),
            self.rooms,
            self._told.policies,
            self._told.file_rooms,
            self._told.keys,
        )

    def _close(self) -> None:
        self._told.listed.close()
        if self._told.begun:
            self._told.visits.close()
            self._told.look.close()

    def _read(self, blocks: Iterable[bytes], fetch: Fetch | None, few: bool) -> None:
        resume = place_reached(self._told.store, self._told.source)
        for raw in cut_elements(blocks):
            if not (isinstance(raw, Raw) and self._keep_visit(raw)):
                item = raw if isinstance(raw, Broken) else read_element(raw, resume)
                wanted = self._wanted_alone(item, few) if fetch is not None else None
                if fetch is not None and wanted is not None:
                    self._fetch(fetch, wanted)
                    break
                self._take_item(item)
            # Not before: an import that goes on after this place has all that is before it.
            self._told.end = raw.end
            self._progress(self._told.end)
        self._finish_config()

    def _take_item(self, item: Element | Broken | Skipped) -> None:
        if isinstance(item, Skipped):
            self._told.listed.arrived(item.number)
        elif isinstance(item, Broken):
            self._take_broken(item)
        else:
            self._take(item)

    def _wanted_alone(self, item: Element | Broken | Skipped, few: bool) -> list[Wanted] | None:
        """Return which messages are to be asked for one by one, None where it is not yet known or too many are."""
        if self._compared or not isinstance(item, Element) or not (self.rooms and _ends_rooms(item)):
            return None
        self._compare()
        wanted = self._told.listed.wanted()
        if not self._told.partial and (not self._told.look.last.looked or self._version_told != VERSION):
            return None
        many = len(wanted) > max(FEW_AT_LEAST, self._told.listed.count() // FEW_SHARE)
        if few and (many or any(room is None for _, room in wanted)):
            return None
        rooms = [(number, self.rooms[room]) for number, room in wanted if room is not None]
        return [Wanted(room.name, room.password, number) for number, room in rooms]

    def _fetch(self, fetch: Fetch, wanted: list[Wanted]) -> None:
        """Take over just these messages; of those that no room lists an export alone tells."""
        self._told.doubtful.add(ORPHANS)
        for item in fetch(wanted):
            self._take_item(item)
        self.report.elements["message"] = self._told.listed.messages()
        self._fetched = True

    def _finish(self) -> None:
        """Take over what had to wait for the end, delete what the server has no more, and remember that it was seen."""
        self._compare()
        for kind, (stamp, _, text) in self._told.settings.items() if not self._told.keys.paired else ():
            self._told.fields("config", kind, {"text": text}, stamp)
        self._told.flush()
        self._name_absent()
        self._name_passed_over()
        # A visit's status says which marks are taken over, so it comes behind them.
        for visit in self._told.visits.all():
            self._told.tell(visit)
        self._told.flush()
        whole = not self.report.truncated
        if whole:
            self._delete_missing()
        self._told.look.end(whole)
        if whole and not self._told.partial and self._told.doubtful <= {ORPHANS}:
            self._remember_rooms()
        self.report.applied, self.report.deleted = self._told.look.applied, self._told.look.missing.deleted
        self.report.held, self.report.gone = self._told.look.missing.held, self._told.look.missing.gone
        forget_place(self._told.store, self._told.source)

    def _delete_missing(self) -> None:
        """Delete what the server has no more, but for what may be missing in the export alone."""
        whole = KINDS - self._told.doubtful

        def listed(collection: str) -> bool:
            kind, room = parse_collection(collection)
            return kind in whole and room not in self._told.left_out and room not in self._told.same

        expiry = Expiry(
            {
                str(Collection("messages", self._told.key(number))): self._told.policies.of(number)
                for number in self.rooms
            },
            self._told.store.clock.now_ms() // 1000,
            self._told.accepted.keep_expired,
        )
        damaged = {self._told.keys.user(number) for number in self._told.damaged | self._told.untold}
        absent = {one.number for one in self._told.listed.absent()}

        def is_lost(number: int) -> bool:
            """What was moved and has no text where it is now is lost, too."""
            return number in absent or self._told.accepted.lost(number)

        accepted = self._told.accepted
        self._told.look.missing.delete(
            listed, accepted.decision, expiry, accepted.purge, damaged, is_lost, damaged_why=accepted.damaged_why
        )

    def _remember_rooms(self) -> None:
        """Remember the rooms of which all was taken over: while they say the same they are not looked at."""
        self._told.untrusted |= {room_of(held.collection) for held in self._told.look.missing.held}
        keys = {self._told.key(number) for number, room in self.rooms.items() if room.use is Use.PEOPLE}
        self._told.look.remember_rooms(sorted(keys - self._told.untrusted - self._told.same))

    def _take_broken(self, item: Broken) -> None:
        if item.truncated:
            self.report.truncated = True
            self.report.refuse(item.name, item.line, item.reason)
        else:
            self._told.lose(f"line {item.line}: <{item.name}>: {item.reason}", item.name)

    # -- elements ---------------------------------------------------------------------------------

    def _take(self, element: Element) -> None:
        lines = self.report.lines
        if element.notice:
            self.report.notice(f"line {element.line}: <{element.name}>: {element.notice}")
        self._take_sound(element)
        if self.report.lines != lines:
            self._told.untrusted.update(self._rooms_named(element))

    def _take_sound(self, element: Element) -> None:
        counts = self.report.elements
        if element.name == "config":
            self._take_config(element)
        elif element.name in _HANDLERS:
            self._finish_config()
            try:
                if element.name == "message":
                    self._compare()
                _HANDLERS[element.name](self._told, element)
            except (CitadelError, ValueError) as error:
                self._told.lose(f"line {element.line}: <{element.name}>: {error}", element.name)
                return
        elif element.name == "version":
            self._version_told = element.text.strip()
        elif element.name != "progress":
            self.report.notice(f"line {element.line}: <{element.name}> is no element this version knows; left out")
            return
        counts[element.name] = counts.get(element.name, 0) + 1

    def _finish_config(self) -> None:
        """Write the settings, once all are there: they name the node and the time everything else needs."""
        if self._told.begun and not self._config:
            return
        take_settings(self._told, self._config)
        self._config = []

    def _take_config(self, element: Element) -> None:
        self._config.append((element.key, element.text, element.line))

    def _keep_visit(self, raw: Raw) -> bool:
        """Keep a visit until it is known whether its room says anything new; tells whether it is one."""
        room = _VISITED.search(raw.data) if raw.name == "visit" else None
        if room is None:
            return False
        self._finish_config()
        number = int(room[1])
        self._told.look.prints.add(self._told.key(number), Part.VISITS, raw.data)
        self._told.visits.keep(number, raw.line, raw.data)
        return True

    def _take_visits(self) -> None:
        """Read the visits of rooms that say anything new."""
        same = 0
        for number, line, data in self._told.visits.unread():
            if self._told.key(number) in self._told.same:
                same += 1
            else:
                self._take_item(read_element(Raw("visit", data, line, 0)))
        if same:
            self._told.look.unchanged(same)
            self.report.elements["visit"] = self.report.elements.get("visit", 0) + same

    def _compare(self) -> None:
        """Hold what the server lists against what it listed last, once all but the messages was read."""
        if self._compared:
            return
        self._compared = True
        self._finish_config()
        rooms = {self._told.key(number): number for number, room in self.rooms.items() if room.use is Use.PEOPLE}
        self._told.same = self._told.look.prints.same(rooms)
        counts = self._told.listed.counts()
        self._told.look.unchanged(sum(counts.get(rooms.pop(key), 0) for key in self._told.same))
        self._take_visits()
        for key, number in rooms.items():
            self._told.look.has(str(Collection("messages", key)), map(str, self._told.listed.numbers_of(number)))
        compare_references(self._told.look, self._told.listed)
        for number, room in self.rooms.items():
            if room.use in _HOLDING:
                compare_configuration(self._told.look, self._told.listed, number, _HOLDING[room.use])
        if self._told.partial:
            return  # of these nothing is told, and no mark
        for change in compare_messages(
            self._told.look, self._told.listed, self._told.visits, rooms, self._told.version(self._told.created)
        ):
            self._told.look.change(change)
            if self._told.look.full:
                self._told.flush()

    def _name_passed_over(self) -> None:
        for room, proposal in self._told.proposals.items():
            if room not in self.rooms:
                self.report.notice(
                    f"line {proposal.line}: <config>: room #{room} is not in the export; its lines are left out"
                )
        if self.report.passed_over:
            self.report.notice(f"{self.report.passed_over} messages of queues and of killed rooms are left out")

    def _rooms_named(self, element: Element) -> set[str]:
        """Return the rooms of which an element says something."""
        fields = element.children
        listing = self._told.room_numbers.get(fields.get("FRname", ""), 0)
        rooms = [listing, *(number_or_zero(fields.get(name, "")) for name in ("QRnumber", "v_roomnum"))]
        number = number_or_zero(fields.get("msg_msgnum", ""))
        rooms += [room for room, _ in self._told.listed.rooms_of(number)] if number else []
        named = {room_told_of(one.collection, one.key) for one in self._told.listed.references_of(number) if one.key}
        return named | {self._told.key(room) for room in rooms if room}

    def _name_absent(self) -> None:
        absent = 0
        for one in self._told.listed.absent():
            absent += 1
            self._told.untrusted.add(room_told_of(one.collection, one.key) if one.key else self._told.key(one.room))
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


def _ends_rooms(element: Element) -> bool:
    """Tell whether an export has told all of rooms and visits: the messages are next."""
    if element.name == "progress":
        text = element.text.strip()
        return text.isascii() and text.isdigit() and int(text) >= PROGRESS_BEFORE_MESSAGES
    return element.name == "message"


_HANDLERS: dict[str, Callable[[Told, Element], None]] = {
    "user": take_user,
    "room": take_room,
    "room_messages": take_room_messages,
    "floor": take_floor,
    "visit": take_visit,
    "message": take_message,
}


_VISITED = re.compile(rb"<v_roomnum>\s*(\d{1,%d})\s*</v_roomnum>" % MAX_DIGITS)
