"""One connection: reads commands, finds them in its table, turns errors into replies.

The table comes from whoever makes the session, so this loop knows no command.  Whatever goes wrong, the other side
gets one line that says what; a traceback goes to the log only.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import gevent
import msgspec

from mirror.model.errors import BadRecord, MirrorError, StampAhead
from mirror.peer.channel import Channel, ConnectionLost
from mirror.peer.presence import Presence, nothing
from mirror.server.credentials import Credential
from mirror.server.guessing import network_of
from mirror.server.lease import Lease
from mirror.server.node import Node
from mirror.server.table import Handler, Permission, Table
from mirror.service.folders import NameTaken, NotAsKnown
from mirror.service.party import Party, PartyKind
from mirror.service.posting import NotAllowed
from mirror.service.rights import PinnedRights, Rights, UserScope
from mirror.service.views import ViewRights
from mirror.store.errors import BoundReached, MissingContent, NoConflict, StoreError
from mirror.sync.clock import ClockDoubted
from mirror.sync.remote import Denied, StaleCursor
from mirror.sync.responder import ChangingScope, Responder
from mirror.sync.twins import Known
from mirror.wire.answers import format_ahead
from mirror.wire.arguments import parse_arguments
from mirror.wire.batch import Batch
from mirror.wire.codec import JSON
from mirror.wire.errors import ProtocolError, Refused
from mirror.wire.lines import Code, Command, format_line, format_reply, parse_command
from mirror.wire.status import format_json

log = logging.getLogger("mirror.session")

LOGIN_TIMEOUT_S = 30
"""Seconds a connection may stay without anybody logged in."""

STRANGER = "who is not logged in"
"""What the log calls all parties that nobody knows: their addresses could be thousands."""


class _Answer(NamedTuple):
    """The reply code of an error, and how much it concerns this node's administrator if a peer made it."""

    code: int
    level: int


_ANSWERS: tuple[tuple[type[MirrorError], _Answer], ...] = (
    (StaleCursor, _Answer(Code.STALE_CURSOR, logging.INFO)),
    (Denied, _Answer(Code.NOT_FOUND, logging.INFO)),
    (NotAllowed, _Answer(Code.ACCESS, logging.INFO)),
    (NameTaken, _Answer(Code.TAKEN, logging.INFO)),
    (NotAsKnown, _Answer(Code.CHANGED, logging.INFO)),
    (StampAhead, _Answer(Code.ILLEGAL, logging.WARNING)),
    (BadRecord, _Answer(Code.ILLEGAL, logging.WARNING)),
    (MissingContent, _Answer(Code.NOT_FOUND, logging.INFO)),
    (NoConflict, _Answer(Code.NOT_FOUND, logging.INFO)),
    (BoundReached, _Answer(Code.TOO_MANY, logging.WARNING)),
    (ClockDoubted, _Answer(Code.BUSY, logging.WARNING)),
    (StoreError, _Answer(Code.INTERNAL, logging.WARNING)),
)
_HTTP = re.compile(rb"[A-Z]{3,16} \S+ HTTP/[0-9]")
_NO_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n"
    b"This is a Citadel mirror's port: it does not speak HTTP.\n"
)
_UNKNOWN = _Answer(Code.INTERNAL, logging.ERROR)


class Session:
    """Serves one connection from greeting to goodbye."""

    def __init__(
        self, node: Node, channel: Channel, table: Table, *, local: bool, party: Party | None = None, host: str = ""
    ) -> None:
        """``local``: the connection does not leave this machine, else it comes from ``host``.

        ``party``: who is trusted without log-in.
        """
        self.node = node
        self.channel = channel
        self.table = table
        self.local = local
        self.host = host
        self.network = "" if local else network_of(host)
        self.since = time.monotonic()
        self.secure = False
        self.party = party
        self.encoding = JSON
        self.closing = False
        self.leaving = False  # its connection was ended by this node
        self.failures = 0
        self.user_name = ""
        self.scram: Any = None
        self.scram_name = ""
        self.credential: Credential | None = None  # with which that peer logs in
        self.password: object = None  # with which a user did
        self.known = Known()  # what was known of that peer before it said what it is
        self.presence: Presence | None = None  # among those of its name, once it is let in
        self.agent = ""
        self.agent_ms = 0  # our time when that was said
        self.room = ""
        self.pinned: Any = None
        self.sent: int | None = None  # up to where the feed was sent on this connection, while it is followed
        self.caught_up = 0.0  # when all of it had been sent (Unix seconds)
        self._deadline = gevent.Timeout()
        self._notices: list[str] = []
        self.interrupt: Callable[[], None] = nothing  # ends what has no end of its own, so that a notice is heard
        self.compare: Callable[[str], None] | None = None  # asks who follows the feed here to compare, by a name
        self._idle = False
        self._next = b""  # a command that came while something else was answered
        self._responders: dict[str, Responder] = {}  # by the view of a user's that they are within, "" for all
        self._answers_for: Party | None = None  # whom they answer

    def run(self, secure: bool = False) -> None:
        """Serve until the other side quits, is lost or breaks the protocol.  ``secure``: TLS begins at once."""
        self.node.sessions.add(self)
        try:
            self._set_deadline()
            if secure:
                self.begin_tls()
            self.reply(Code.OK, f"{self.node.config.node} Citadel mirror ready.")
            first = True
            while not self.closing and (line := self._next_line()) is not None:
                if line.strip() and not (first and self._is_for_others(line)):
                    self._run(line)
                first = False
        except ConnectionLost as error:
            log.debug("%s", error)
        finally:
            self.end()

    def _is_for_others(self, line: bytes) -> bool:
        """Tell whether a first line is a request of HTTP: then what follows is none of our commands."""
        if _HTTP.match(line) is None:
            return False
        self.channel.send(_NO_HTTP)
        self.closing = True
        return True

    def end(self) -> None:
        """Give back what the session holds."""
        self._deadline.close()
        self.node.sessions.discard(self)
        self.log_out()
        self.unpin()
        self.channel.close()

    def _set_deadline(self) -> None:
        """Have the connection lost at a fixed time unless somebody logs in, however much is sent until then."""
        if self.party is not None:
            self._deadline.close()
        elif not self._deadline.pending:
            late = ConnectionLost(f"{self.channel.peer} did not log in within {LOGIN_TIMEOUT_S:g} s")
            self._deadline = gevent.Timeout.start_new(LOGIN_TIMEOUT_S, late)

    def _next_line(self) -> bytes | None:
        self._set_deadline()
        self.channel.set_timeout(self.node.config.listen.idle_timeout_s)
        self._tell_notices()
        if self._next:
            line, self._next = self._next, b""
            return line
        self._idle = True
        try:
            return self.channel.read_line()
        except ProtocolError as error:
            self._tell_log(str(error), logging.WARNING)
            self.reply(Code.TOO_BIG, f"{error}; closing")
            return None
        finally:
            self._idle = False

    def answer_next(self, line: bytes) -> None:
        """Have a line that was read while something else was answered be the next command; nothing if it is empty."""
        self._next = line

    def _run(self, line: bytes) -> None:
        try:
            if self.party is not None:
                self.node.single_user.heard(self.party.label)
            self._dispatch(parse_command(line))
        except ConnectionLost:
            raise
        except Exception as error:
            self.reply(*self._account_for(error))

    def _account_for(self, error: Exception) -> tuple[int, str]:
        """Return the code and the text that the other side gets for an error, and tell the log what concerns it."""
        if isinstance(error, Refused):
            return error.code, error.text
        if isinstance(error, ProtocolError):
            self.closing = True
            self._tell_log(str(error), logging.WARNING)
            return Code.ILLEGAL, f"{error}; closing"
        if isinstance(error, MirrorError):
            code, level = answer_to(error)
            ours = isinstance(error, StoreError)  # a full disk concerns whoever runs this node, whoever met it
            if ours or level >= logging.ERROR or self.party_kind in ("peer", "share"):
                self._tell_log(str(error), level)
            if isinstance(error, StampAhead) and error.wait_ms:
                return Code.NOT_YET, format_ahead(error.wait_ms, str(error))
            return code, str(error)
        self.closing = True
        self._tell_log(f"unexpected {type(error).__name__}: {error}", logging.ERROR, error)
        return Code.INTERNAL, "internal error, see this node's log; closing"

    def _tell_log(self, what: str, level: int, error: Exception | None = None) -> None:
        if self.party is None:
            self.node.faults.tell(log, STRANGER, f"{what} (from {self.channel.peer})", level, error)
        else:
            self.node.faults.tell(log, self.party.label, what, level, error)

    def _dispatch(self, command: Command) -> None:
        verb, parameters = command
        handler = self.table.commands.get(verb)
        if handler is None:
            problem = f"Unrecognized or unsupported command {verb[:20]!r}; HELP lists all."
            raise Refused(Code.UNKNOWN_COMMAND, problem)
        self.call(f"{verb} ", handler, parameters)

    def call(self, called: str, handler: Handler, given: Sequence[str], *leading: object) -> None:
        """Run a handler of the table with what was ``given``, if it is for this party.

        Raises Refused, beginning with what was ``called`` where an argument is wrong; ``leading`` is passed on before
        the arguments.
        """
        self.require(handler.permission)
        handler.run(self, *leading, *parse_arguments(called, handler.arguments, given))

    def begin_tls(self) -> None:
        """Go on encrypted.  Raises ConnectionLost."""
        self.channel.start_tls(self.node.tls, server=True)
        self.secure = True

    # -- talking ----------------------------------------------------------------------------------

    def reply(self, code: int, text: str) -> None:
        """Send a reply line, after notices that waited for it."""
        self._tell_notices(format_reply(code, text))

    def _tell_notices(self, then: bytes = b"") -> None:
        notices, self._notices = self._notices, []
        told = b"".join(format_reply(Code.ASYNC, notice) for notice in notices) + then
        if told:
            self.channel.send(told)

    def send_listing(self, text: str, lines: list[str]) -> None:
        """Reply with a listing of lines of text.

        All of it is at hand before it begins: any line may be text, so none could say that it cannot go on.
        """
        self.send_formatted(text, b"".join(format_line(line) for line in lines))

    def send_formatted(self, text: str, listed: bytes) -> None:
        """Reply with a listing whose lines are at hand as they are sent."""
        self.reply(Code.LISTING, text)
        self.channel.send(listed)
        self.channel.end_listing()

    def send_batches(self, text: str, batches: Iterable[Batch]) -> None:
        """Reply with a listing of batches.  What fails before the first of them is told instead of the listing."""
        iterator = iter(batches)
        first = next(iterator, None)
        self.reply(Code.LISTING, text)
        with self.in_listing():
            if first is not None:
                self.channel.send_batch(first)
            for batch in iterator:
                self.channel.send_batch(batch)

    @contextmanager
    def in_listing(self) -> Iterator[None]:
        """End a listing of batches that was begun, also when it cannot go on: then after a line that says why."""
        try:
            yield
        except ConnectionLost:
            raise
        except Exception as error:
            self.channel.send(format_reply(*self._account_for(error)))
        self.channel.end_listing()

    def send_json(self, values: Iterable[msgspec.Struct]) -> None:
        """Reply with a listing of JSON objects, one a line."""
        self.send_listing("JSON lines follow", [format_json(value) for value in values])

    def hang_up(self) -> None:
        """End the connection at once, whatever the session waits for; it gives back then what it holds."""
        self.leaving = True
        self.channel.hang_up()

    def notify(self, text: str) -> None:
        """Tell the other side something out of turn: now if it is idle, else before the next reply."""
        if self._idle:
            self.channel.send(format_reply(Code.ASYNC, text))
        else:
            self._notices.append(text)
            self.interrupt()

    # -- who --------------------------------------------------------------------------------------

    def require(self, permission: Permission) -> None:
        """Raise Refused unless this party may use what asks for a permission."""
        if permission is Permission.ANYBODY:
            return
        if permission is Permission.LOGGED_OUT:
            self._require_stranger()
            return
        party = self.require_party()
        if permission is Permission.USER and not party.is_user:
            raise Refused(Code.USER_REQUIRED, "this is for users: log in with USER and PASS")
        if permission is Permission.PEER_OR_ADMIN and not self._as_of_now(party).administers:
            raise Refused(Code.ACCESS, "this action is for peers and administrators")
        if permission is Permission.ADMIN and party.kind != PartyKind.ADMIN:
            raise Refused(Code.ACCESS, "this action is for administrators on this machine")

    def require_party(self) -> Party:
        """Return who is logged in.  Raises Refused."""
        if self.party is None:
            raise Refused(Code.NOT_LOGGED_IN, "Not logged in.")
        return self.party

    def _require_stranger(self) -> None:
        """Raise Refused to who is logged in already, and where a secret would travel in clear over a network."""
        if not (self.secure or self.local or self.node.config.listen.plaintext):
            raise Refused(Code.ACCESS, "log-ins need TLS here: send STLS first")
        if self.party is not None:
            raise Refused(Code.ALREADY_LOGGED_IN, "Already logged in.")

    @property
    def party_kind(self) -> PartyKind | None:
        return self.party.kind if self.party is not None else None

    def stop_following(self) -> None:
        """Note that the feed is not followed on this connection any more."""
        if self.sent is not None and self.party is not None and self.party.is_node:
            self.node.last_sent[self.party.name] = self.sent
        self.sent = None

    @property
    def beside(self) -> bool:
        """Whether the same party has another session: a link has several, and its coming and going is told once."""
        party = self.party
        others = (other.party for other in self.node.sessions if other is not self)
        return party is not None and any(other is not None and other.label == party.label for other in others)

    def log_out(self) -> None:
        was_user = self.party is not None and self.party.is_user
        if self.party is not None and self.party.is_node:
            self.node.last_seen[self.party.name] = time.time()
            if not self.beside:
                log.info("%s is gone", self.party.label)
        if self.party is not None and was_user and not self.beside:
            self.node.told.forget(self.party.label)
            self.node.lines.forget(self.party.label)
        if self.presence is not None:
            self.node.twins.leave(self.scram_name, self.presence)
            self.presence = None
        self.party = None
        self.room = ""
        if was_user:
            self.node.single_user.left()

    # -- what -------------------------------------------------------------------------------------

    def responder(self, view: str = "") -> Responder:
        """Return what answers for the store, within the rights the party has now, and a view of a user's."""
        return self.answering(view).renewed()

    def answering(self, view: str = "") -> Responder:
        """Return the same without a look at the present rights: those of what it reads it finds out as it reads."""
        party = self.require_party()
        if self._answers_for is not party:
            self._answers_for, self._responders = party, {}
        if view not in self._responders:
            self._responders[view] = self._new_responder(party, view)
        return self._responders[view]

    def _new_responder(self, party: Party, view: str) -> Responder:
        node, reading = self.node, self.pinned or self.node.store
        if not party.is_user:
            peer = party.name if party.is_node else ""
            return Responder(node.store, party.scope, reading, sums=node.sums, peer=peer)
        rights: Rights | PinnedRights = party.rights or Rights(party.user_key, node.directory.rooms)
        if self.pinned is not None:
            rights = PinnedRights(party.user_key, node.directory.rooms, node.store.read_here)
        changing: ChangingScope = ViewRights(rights, view) if view else rights
        scope = UserScope(party.user_key, {}) if view else party.scope
        return Responder(
            node.store,
            scope,
            reading,
            sums=node.sums,
            uploads=node.uploads.of(party.user_key),
            changing=changing,
            party=party.label,
            told=node.told if self.pinned is None else None,
            view=view,
        )

    def _as_of_now(self, party: Party) -> Party:
        return party._replace(scope=self.responder().scope) if party.rights is not None else party

    def pin(self) -> None:
        """Have everything read from the present state from now on."""
        self.unpin()
        self.pinned = Lease(self.node.store.pin(), self.node.config.listen.idle_timeout_s, self.hang_up)

    def unpin(self) -> None:
        self._responders = {}
        if self.pinned is not None:
            self.pinned.close()
            self.pinned = None


def answer_to(error: MirrorError) -> _Answer:
    """Return how an error is answered."""
    return next((answer for kind, answer in _ANSWERS if isinstance(error, kind)), _UNKNOWN)
