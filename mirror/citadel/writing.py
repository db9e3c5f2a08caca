"""Writing into a server what came from elsewhere, stretch by stretch of the feed: each writer is given its own.

Knows which writers there are and in which order they come, and nothing of what they write.
"""

from collections.abc import Sequence
from typing import NamedTuple

from mirror.addresses import Address
from mirror.citadel.bootstrap import Place, log_in
from mirror.citadel.looks.decided import Verdict
from mirror.citadel.looks.lost import forget_lost, read_lost, to_write_again
from mirror.citadel.looks.made import is_gone, note_filled, unfilled, what_fills
from mirror.citadel.looks.remembered import cursor_name, place_of
from mirror.citadel.looks.twice import read_twice
from mirror.citadel.meaning.keys import ROOMS, Numbers, read_keys
from mirror.citadel.migr.leftovers import BANNERS
from mirror.citadel.migr.posted import Known
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.protocol.imap import ImapClient
from mirror.citadel.writers.access import AccessWriter
from mirror.citadel.writers.banners import BannersWriter
from mirror.citadel.writers.base import KindWriter, OpenRoom, Target, Written
from mirror.citadel.writers.files import FilesWriter
from mirror.citadel.writers.floors import FloorsWriter
from mirror.citadel.writers.later import PutOff
from mirror.citadel.writers.marks import MarksWriter
from mirror.citadel.writers.messages import MessagesWriter
from mirror.citadel.writers.netconf import NetconfWriter
from mirror.citadel.writers.rooms import RoomsWriter
from mirror.citadel.writers.rules import RulesWriter
from mirror.citadel.writers.settings import SETTINGS, SettingsWriter
from mirror.citadel.writers.texts import TextsWriter
from mirror.citadel.writers.twice import take_out_twice, without_fetched
from mirror.citadel.writers.users import UsersWriter
from mirror.citadel.writers.views import ViewsWriter
from mirror.formats.errors import CitadelError
from mirror.formats.server_own import Use
from mirror.model.kinds import Collection
from mirror.model.record import Record
from mirror.store.base import Reader, Store, Writer
from mirror.store.values import FeedPage
from netconf.selection import matches

_LOCAL, _ANYWHERE = "127.0.0.1", ("", "*", "0.0.0.0", "::")


def writers(client: CitadelClient, imap: ImapClient, service: "Service") -> list[KindWriter]:
    """Return one of each, in the order in which they write: what others are in or refer to comes first."""
    messages = MessagesWriter(client, imap)
    containers: list[KindWriter] = [FloorsWriter(), UsersWriter(), RoomsWriter()]
    containers += [NetconfWriter(), RulesWriter()]
    of_visits: list[KindWriter] = [AccessWriter(), MarksWriter(), ViewsWriter()]
    of_site: list[KindWriter] = [SettingsWriter(service.shares), BannersWriter(service.shares, service.place)]
    return [*containers, messages, *of_visits, FilesWriter(messages.transit), TextsWriter(), *of_site]


class Service(NamedTuple):
    """Who writes into a server, where that is, and which of its rooms are followed: patterns, all where none is.

    ``shares``, where the site's settings and system messages are written, too.
    """

    place: Place
    user: str
    password: str
    only: Sequence[str] = ()
    shares: bool = False

    def follows(self, room: str) -> bool:
        """Tell whether a room of a stored name is followed."""
        return not self.only or any(matches(room, pattern) for pattern in self.only)


class Writing:
    """Writes into one server over two connections of the service's user, an administrator; for one greenlet."""

    def __init__(self, store: Store, client: CitadelClient, imap: ImapClient, service: Service) -> None:
        """``client`` is logged in at the administrator's socket."""
        self._store, self._client, self._imap, self._service = store, client, imap, service
        self._sequence = 0
        self._later: PutOff | None = None
        self._known: Known | None = None
        self._writers: Sequence[KindWriter] = writers(client, imap, service)
        self._to_share = service.shares
        """Whether what is shared has yet to be written since there is a connection."""

    def close(self) -> None:
        self._client.channel.close()
        self._imap.close()

    def round(self, known: Known, since: int, verdict: Verdict = Verdict.HOLD) -> Written:
        """Write the next of what came from elsewhere, of a server just looked at; ``since``: its highest number then.

        ``verdict`` is what is done about very many deletions.
        """
        place = place_of(known.node)
        cursor = cursor_name(place)
        begin = max(self._sequence, self._store.read(lambda reader: reader.meta_number(cursor)))
        if self._is_at_rest(place, begin) and not self._to_share:
            return Written()
        target = self._target(known, since, verdict)
        written = target.written
        wanted = [writer.collections(target) for writer in self._writers]
        page = self._store.read(lambda reader: reader.feed(begin, lambda name: any(one(name) for one in wanted)))
        if self._later is None:
            self._later = PutOff(self._store, target.place)
        if known is not self._known:  # who was not there just then, as in the middle of a renaming, may be now
            self._known = known
            self._later.rouse()
        lost = self._store.read(lambda reader: read_lost(reader, place))
        records = self._to_write(target, page, lost)
        worked = self._deal(target, records)
        if not (page.more or written.look_anew):
            self._fill(target)
            take_out_twice(target)
        written.more = page.more
        advances = not written.again and page.sequence != begin

        def job(writer: Writer) -> None:
            if advances:
                writer.set_meta(cursor, page.sequence)
            changes.write(writer)
            forget_lost(writer, place, lost if not written.again else ())

        changes = self._later.after([*records, *target.tried], target.later)
        if changes or lost or (advances and worked):
            self._store.write(job)
        if advances:
            self._sequence = page.sequence
        written.held, written.later = self._later.held(), self._later.reasons()
        is_filled = not self._store.read(lambda reader: unfilled(reader, target.place))
        written.behind = page.more or written.again or self._later.is_soon() or not is_filled
        return written

    def _to_write(self, target: Target, page: FeedPage, lost: Sequence[tuple[str, str]]) -> list[Record]:
        """Return what is tried now: what came, what waited, what the server lost, and what is shared."""
        assert self._later is not None
        records = list(page.records)
        if not page.more or target.verdict is not Verdict.HOLD:  # what waits for another look has just one a look
            records += self._later.due({(one.collection, one.key) for one in page.records}, target.verdict)
        if lost:
            records += self._store.read(lambda reader: list(to_write_again(reader, target.place, lost)))
        if self._to_share and not page.more:
            records += self._store.read(_shared)
            self._to_share = False
        records = list({(one.collection, one.key): one for one in records}.values())  # what was lost may be new, too
        return without_fetched(target, records)

    def _is_at_rest(self, place: str, begin: int) -> bool:
        """Tell whether nothing came after a sequence and nothing waits: then keys of all that is there are not read."""
        if self._later is None or self._later.is_any():
            return False

        def job(reader: Reader) -> bool:
            waits = unfilled(reader, place) or read_lost(reader, place) or read_twice(reader, place)
            return reader.last_sequence() <= begin and not waits

        return self._store.read(job)

    def _target(self, known: Known, since: int, verdict: Verdict) -> Target:
        place = place_of(known.node)
        keys = self._store.read(lambda reader: read_keys(reader, place, known.node))
        rooms = {}
        for number, room in known.rooms.items():
            if room.use is Use.PEOPLE:
                name = str(Collection("messages", keys.room(number, room.name)))
                rooms[name] = OpenRoom(number, room, name)
        return Target(
            store=self._store,
            client=self._client,
            imap=self._imap,
            known=known,
            since=since,
            verdict=verdict,
            place=place,
            rooms=rooms,
            written=Written(),
            service=self._service.user,
            may_make=self._service.follows,
            numbers=Numbers(keys),
            connect=lambda: log_in(self._service.place, "", ""),
        )

    def _deal(self, target: Target, records: Sequence[Record]) -> bool:
        """Give each writer what is its own; tells whether there was anything to write."""
        worked = False
        for writer in self._writers:
            ours = writer.collections(target)
            some = [one for one in (*records, *target.beside) if ours(one.collection) and writer.takes(one)]
            if some:
                worked |= writer.write(target, some)
        return worked

    def _fill(self, target: Target) -> None:
        """Write what belongs to users and rooms that were made there, once they are known.

        What of that cannot be written is put off as everything else.
        """
        for thing in self._store.read(lambda reader: unfilled(reader, target.place)):
            collection, key = thing
            if not self._store.read(lambda reader, made=thing: is_gone(reader, made)):  # type: ignore[misc]
                room = target.rooms.get(str(Collection("messages", key)))
                if collection == ROOMS and (room is None or room.number != target.numbers.of(ROOMS, key)):
                    continue  # the next look at all that there is tells of it
                for records in what_fills(self._store, thing):
                    self._deal(target, records)
            self._store.write(lambda writer, made=thing: note_filled(writer, target.place, made))  # type: ignore[misc]


def _shared(reader: Reader) -> list[Record]:
    """Return all that a site's servers may share."""
    return [one for name in (SETTINGS, BANNERS) for one in reader.scan_all(name) if not one.dead]


def open_writing(store: Store, service: Service) -> Writing:
    """Log in at a server's administrator's socket and by its IMAP.  Raises ConnectionLost, LoginFailed."""
    place, user, password, *_ = service
    client = log_in(place, user, password)
    try:
        values = client.settings()
        if values.get("c_journal_pubmsgs") == "1":
            raise CitadelError(f"{place}: the server mails to a journal what is posted (c_journal_pubmsgs)")
        port = values.get("c_imap_port", "")
        if not port.isdigit() or not int(port):
            raise CitadelError(f"{place}: the server has no IMAP (c_imap_port), by which messages are written into it")
        host = values.get("c_ip_addr", "")
        imap = ImapClient(Address(_LOCAL if host in _ANYWHERE else host, int(port)), user, password)
    except BaseException:
        client.channel.close()
        raise
    return Writing(store, client, imap, service)
