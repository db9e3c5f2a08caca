"""Two nodes of one name, at one of their peers: who of that name is connected, and whom it contradicts.

A copied machine says of itself all that its files say, so what tells it apart is its instance, which no file holds: of
one name only one instance is served at a time.  When another one comes, the older is asked whether it lives; if it does
not answer it is ended, else the new one is refused.  Refused is also who says less than was known of it before: that
its store is in an epoch which was replaced, or that its feed or its last sign of life is older than one that came here.
Who was refused by a mirror exchanges nothing more with anybody before its store has begun a new life.

Knows neither connections nor clocks: both are handed in, so the simulation drives the same.
"""

import enum
import json
import logging
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from mirror.model.errors import MirrorError
from mirror.model.kinds import NODES
from mirror.store.base import REFUSED, Reader, Store
from mirror.store.values import PULL
from mirror.wire.values import Identity

log = logging.getLogger("mirror.twins")

MAX_REPLACED = 64
"""Replaced epochs that are remembered of one peer, the latest."""
KEPT_MS = 3_600_000
"""For how long it is told that two nodes have one name, after it was noticed last (milliseconds)."""


class TwoOfOneName(MirrorError):
    """Two nodes call themselves by one name, and one of the two was refused."""

    exit_code = 3


class NotNow(MirrorError):
    """A connection cannot be let in now, for a reason that is not who it is."""


class Life(enum.Enum):
    """What became of the question whether somebody lives."""

    ANSWERS = "it answers"
    REACHED = "its machine answers, itself it cannot or does not"
    GONE = "nothing answers"


class Known(NamedTuple):
    """What is known of a peer: the epoch of its store and where its feed ended, and the epochs that this replaced.

    ``signs`` are the stamps of the last signs of life of origins under which it wrote.
    """

    epoch: str = ""
    sequence: int = 0
    replaced: tuple[str, ...] = ()
    signs: dict[str, int] = {}

    def joined(self, told: Identity) -> "Known":
        """Return what is to be kept once a node has told this of itself, and was believed."""
        sign = max(told.sign, self.signs.get(told.origin, 0))
        signs = {told.origin: sign} if sign else {}
        if told.epoch == self.epoch:
            return Known(self.epoch, max(self.sequence, told.sequence), self.replaced, signs)
        replaced = (*self.replaced, self.epoch)[-MAX_REPLACED:] if self.epoch else self.replaced
        return Known(told.epoch, told.sequence, replaced, signs)

    def contradiction(self, told: Identity) -> str:
        """Return what a node says of itself that cannot be, since more was known of it before; or nothing."""
        if told.epoch in self.replaced:
            return f"its store is in epoch {told.epoch}, which {self.epoch} has replaced"
        if told.epoch == self.epoch and told.sequence < self.sequence:
            return f"its feed ends at {told.sequence}, and had come to {self.sequence} in the same epoch"
        if told.sign < self.signs.get(told.origin, 0):
            return "its last sign of life is older than one that came here"
        return ""


def read_identity(reader: Reader, instance: str) -> Identity:
    """Return what a node says of itself by its store."""
    return Identity(instance, reader.epoch, reader.last_sequence(), reader.origin(), _last_sign(reader))


def _last_sign(reader: Reader) -> int:
    """Return the stamp of the last sign of life that was written here, whatever came from elsewhere in its place."""
    written = json.loads(reader.meta_text("signs", "[]"))
    if written:
        return int(written[-1][0])
    held = reader.own_sign()
    return held.stamp if held is not None else 0


def written_elsewhere(reader: Reader) -> str:
    """Return what shows that another node writes under the name of this one; or nothing."""
    held = reader.own_sign()
    if held is None or held.stamp <= _last_sign(reader):
        return ""
    return describe(reader.node, f"a sign of life of {held.key} came here which was not written here")


def read_kept(reader: Reader, peer: str) -> Known:
    """Return what a store keeps of what a peer told; of one that was met before this was kept, by its cursor."""
    kept = json.loads(reader.meta_text(_name(peer), "{}"))
    if kept:
        return Known(kept["epoch"], kept["sequence"], tuple(kept["replaced"]), kept["signs"])
    pull = reader.cursor(peer, PULL)
    return Known(pull.epoch, pull.sequence)


def _more_known(reader: Reader, peer: str, kept: Known) -> Known:
    """Return what is known of a peer besides what it told: what came of its feed, and its signs of life."""
    pull = reader.cursor(peer, PULL)
    sequence = max(kept.sequence, pull.sequence) if pull.epoch == kept.epoch else kept.sequence
    signs = dict(kept.signs)
    for record in reader.scan(NODES, prefix=peer):
        if record.key.partition("~")[0] == peer and not record.dead:
            signs[record.key] = max(record.stamp, signs.get(record.key, 0))
    return kept._replace(sequence=sequence, signs=signs)


def _name(peer: str) -> str:
    """Return under which name a store keeps what it knows of a peer."""
    return f"peer:{peer}"


def read_refusal(reader: Reader) -> str:
    """Return by whom a node was refused since its store was renewed last, and why; or nothing."""
    return reader.meta_text(REFUSED)


class Contact(Protocol):
    """One connection with a node, whoever dialled."""

    @property
    def instance(self) -> str:
        """Which run of a daemon is at the other end."""
        ...

    def end(self) -> None:
        """Break the connection off."""
        ...


ContactT = TypeVar("ContactT", bound=Contact)


class _Note(NamedTuple):
    """What was noticed of a name, how often, and when last (Unix milliseconds)."""

    text: str
    times: int
    last_ms: int


class Twins(Generic[ContactT]):
    """Who is connected to one node under which name, and what that node knows of its peers."""

    def __init__(self, store: Store, ask: Callable[[Sequence[ContactT]], Life]) -> None:
        """``ask`` finds out whether who is at the other end of these connections lives; it may take seconds."""
        self._store = store
        self._ask = ask
        self.refused = store.read(read_refusal)
        """Why this node exchanges nothing: a mirror has refused it; or nothing."""
        self._contacts: dict[str, list[ContactT]] = {}
        self._notes: dict[str, _Note] = {}
        self._told: dict[str, Known] = {}  # what could not be written yet

    def recall(self, peer: str) -> Known:
        """Return what is known of a peer now.

        To be asked before it says what it is: else it may have written, and have been read, in between.
        """
        return self._store.read(lambda reader: _more_known(reader, peer, self._kept(reader, peer)))

    def _kept(self, reader: Reader, peer: str) -> Known:
        return self._told.get(peer) or read_kept(reader, peer)

    def admit(self, peer: str, told: Identity, known: Known, contact: ContactT) -> None:
        """Let a connection with a peer in, that tells this of itself, given what was ``known`` of it before.

        Raises TwoOfOneName, or NotNow where nobody knows yet, or this node itself was refused; may take seconds where
        another instance is connected.  When the connection ends, ``leave`` has to be called.
        """
        if self.refused:
            raise NotNow(self.refused)
        problem = known.contradiction(told) if told.epoch else ""
        if problem:
            raise self._refusal(peer, problem)
        self._claim(peer, contact)
        if told.epoch:
            self._remember(peer, told)

    def _claim(self, peer: str, contact: ContactT) -> None:
        """Take the place of a peer for its instance, if nobody else holds it who lives."""
        held = self._contacts.setdefault(peer, [])
        while others := [one for one in held if one.instance != contact.instance]:
            life = self._ask(others)
            if life is Life.ANSWERS:
                raise self._refusal(peer, f"another one is connected to {self._store.node} and answers")
            if life is Life.REACHED:
                raise NotNow(
                    f"an earlier connection of {peer} to {self._store.node} does not answer, but is open still"
                )
            log.info("%s is connected anew: its earlier connections do not answer and are ended", peer)
            for one in others:
                self.leave(peer, one)
                one.end()
        held.append(contact)

    def _refusal(self, peer: str, problem: str) -> TwoOfOneName:
        return TwoOfOneName(self.note(peer, describe(peer, problem)))

    def leave(self, peer: str, contact: ContactT) -> None:
        """Note that a connection has ended; that of who was not let in is none."""
        held = self._contacts.get(peer, [])
        if contact in held:
            held.remove(contact)

    def _remember(self, peer: str, told: Identity) -> None:
        kept = self._store.read(lambda reader: self._kept(reader, peer))
        joined = kept.joined(told)
        if joined.epoch != kept.epoch:
            self._notes.pop(peer, None)
        if joined == kept and peer not in self._told:
            return
        self._told[peer] = joined
        try:
            self._store.write(lambda writer: writer.set_meta(_name(peer), json.dumps(joined._asdict(), sort_keys=True)))
        except MirrorError as error:
            log.debug("what %s says of itself is kept in memory: %s", peer, error)  # nobody is shut out for that
        else:
            self._told.pop(peer, None)

    def was_refused(self, by: str, text: str) -> None:
        """Note that a mirror has refused this node, as one of two: nothing more is exchanged before it is renewed.

        Its store may hold what the other one's does not, under the same origin, and cursors of this epoch mean both.
        """
        self.refused = f"{by} has refused this node: {text}"
        try:
            self._store.write(lambda writer: writer.set_meta(REFUSED, self.refused))
        except MirrorError as error:
            log.warning("that it was refused is kept in memory alone: %s", error)

    # -- what is told of it -----------------------------------------------------------------------

    def note(self, peer: str, text: str) -> str:
        """Note that two nodes have the name of a peer, or this node's own, as that peer says; returns the text."""
        before = self._notes.get(peer)
        self._notes[peer] = _Note(text, before.times + 1 if before else 1, self._store.clock.now_ms())
        return text

    def notes(self) -> list[str]:
        """Return why this node was refused, and a line for every name that two nodes have, as was noticed lately."""
        late = self._store.clock.now_ms() - KEPT_MS
        self._notes = {peer: note for peer, note in self._notes.items() if note.last_ms > late}
        told = [f"{note.text} (noticed {note.times} times)" for _, note in sorted(self._notes.items())]
        return [self.refused, *told] if self.refused else told


def describe(name: str, problem: str) -> str:
    """Return what to do about two nodes of one name."""
    return (
        f"two nodes call themselves {name}: {problem}; stop one of the two: the one that was refused goes on once "
        "'ctdlmirror renew' was run on it"
    )
