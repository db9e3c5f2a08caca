"""What follows a Citadel server (mirror.citadel.follow), as a daemon runs it: by its clocks, and told in its status."""

import time
from collections.abc import Iterable, Sequence

import gevent

from mirror.addresses import ServerPlace
from mirror.citadel.door import ask_name, blind_spots
from mirror.citadel.follow import Following
from mirror.citadel.following.followed import MAX_TOLD, Settings
from mirror.citadel.looks.decided import HeldBack
from mirror.citadel.meaning.keys import Pair
from mirror.citadel.meaning.pairing import Consent, Match, Pairing
from mirror.citadel.rehearsal import dry_run
from mirror.citadel.writers.not_written import NOT_WRITTEN
from mirror.config.settings import Attachment
from mirror.model.applied import Applied
from mirror.store.base import Store
from mirror.wire.status import AttachmentStatus, HeldStatus, MatchStatus, PairingStatus, RehearsalStatus


def _patterns(rooms: Sequence[str]) -> tuple[str, ...]:
    """Return patterns of rooms as what follows takes them: none where all rooms match anyway."""
    return () if "*" in rooms else tuple(rooms)


def _held(found: Iterable[HeldBack]) -> list[HeldStatus]:
    return [HeldStatus(one.collection, one.gone, one.told) for one in found]


def _told(match: Match) -> MatchStatus:
    pair = match.pair
    return MatchStatus(pair.kind, match.there, match.here, pair.there, pair.key, match.why)


def _pairing(found: Pairing | None) -> PairingStatus | None:
    if found is None:
        return None
    pairs, alike = list(map(_told, found.matches)), list(map(_told, found.alike))
    return PairingStatus(pairs, alike, *found[2:])


def consent_of(one: Attachment) -> Consent | None:
    """Return what may be paired of a server; None where it is not to be paired."""
    return Consent(one.pair_users, one.pair_rooms) if one.pair or one.pair_users or one.pair_rooms else None


def _service(one: Attachment) -> str:
    return one.service if one.direction == "both" else ""


def _settings(one: Attachment) -> Settings:
    times = (one.look_s, one.idle_look_s, one.users_s, one.sweep_s, one.export_s, one.marks_s)
    shares = one.settings == "shared"
    return Settings(*times, _patterns(one.rooms), one.expiry, consent_of(one), _service(one), shares)


def tell_rehearsal(
    store: Store, place: ServerPlace, password: str, rooms: Sequence[str], pair: Consent | None = None
) -> RehearsalStatus:
    """Return what following a server would do at first; nothing is written.  Raises MirrorError."""
    taken, pairing = dry_run(store, place.where, place.user, password, only=_patterns(rooms), pair=pair)
    report, fetched = taken.report, taken.fetched
    applied = report.applied + (fetched.applied if fetched is not None else Applied())
    return RehearsalStatus(
        server=report.node,
        elements=dict(report.elements),
        written=applied.written,
        already_held=applied.already_held,
        conflicts=applied.conflicts,
        deleted=report.deleted + (fetched.deleted if fetched is not None else 0),
        held=_held(report.held + (fetched.held if fetched is not None else [])),
        incomplete=taken.why_incomplete,
        gone=[one.what for one in taken.gone][:MAX_TOLD],
        pairing=_pairing(pairing),
    )


class ServerFollower:
    """Follows the server that an attachment names, from one connection until that is lost."""

    def __init__(self, store: Store, one: Attachment, password: str) -> None:
        self._one = one
        self._following = Following(
            store,
            one.place.where,
            one.place.user,
            password,
            _settings(one),
            sleep=gevent.sleep,
            clock=time.monotonic,
            service_password=password if _service(one) else "",
            now=time.time,
        )

    def ask_name(self) -> str:
        """Ask the server under which name it is known in records.  Raises MirrorError."""
        return ask_name(self._one.place)

    def run(self) -> None:
        """Follow until the connection is lost.  Raises MirrorError."""
        self._following.run()

    @property
    def looked(self) -> float:
        """As of when all is here but what an export alone tells, in Unix seconds; 0 for never."""
        return self._following.state.last_look

    def describe(self, status: AttachmentStatus) -> None:
        """Say how it goes."""
        state = self._following.state
        status.phase = state.phase
        status.server = state.node
        status.connected, status.looked, status.behind = state.connected, state.last_look, state.behind
        status.exported, status.whole, status.marks = state.exported, state.whole, state.marks
        status.held, status.waiting, status.noticed = _held(state.held), state.waiting, state.noticed
        status.incomplete = state.incomplete
        status.written, status.deleted = state.written, state.deleted
        status.looks, status.exports, status.commands = state.looks, state.exports, state.commands
        status.notes = list(blind_spots(self._one.place, self._one.export_s, self._one.marks_s))
        if state.exports:
            status.notes.append(f"it made {state.exports} exports since it was met: a server 980 has to be restarted")
        status.another = state.another
        status.pairing = _pairing(state.pairing)
        status.written_there, status.left_there = state.written_there, state.left_there
        status.held_there, status.behind_there = state.held_there, state.behind_there
        if _service(self._one):
            status.not_written = [f"{what}: {why}" for what, why in NOT_WRITTEN]

    def approve(self) -> bool:
        """Confirm a pairing that waits, or have what is held back deleted; returns whether there was anything."""
        state = self._following.state
        found = bool(state.held or state.pairing or state.held_there)
        if found:
            self._following.approve()
        return found

    def pair(self, kind: str, number: int, key: str) -> None:
        """Have a user or room there, by its number, be what is here under a key.  Raises CannotPair."""
        self._following.pair(Pair(kind, number, key))

    def refuse(self) -> bool:
        """Have what is held back kept as this node's own; returns whether there was anything."""
        found = bool(self._following.state.held or self._following.state.held_there)
        if found:
            self._following.refuse()
        return found
