"""Logging in and out: users with USER and PASS, peers with SCRAM-SHA-256 (RFC 5802, RFC 7677)."""

import base64
import binascii
import logging
import math

import gevent
from scramp import ScramException, ScramMechanism

from mirror.config.settings import SHARE
from mirror.model.fields import values_of
from mirror.model.keys import compared
from mirror.model.record import Record
from mirror.peer.dial import MECHANISM, describe_difference
from mirror.peer.presence import Presence
from mirror.server.credentials import Credential
from mirror.server.doors import check_place
from mirror.server.session import STRANGER, Session
from mirror.service.directory import password_matches
from mirror.service.party import Party, PartyKind
from mirror.service.rights import Rights, UserScope, may_log_in
from mirror.sync.scope import EVERYTHING
from mirror.sync.twins import NotNow, TwoOfOneName
from mirror.wire.answers import format_greeting, format_logged_in, parse_agent, parse_agent_time, parse_identity
from mirror.wire.errors import Refused
from mirror.wire.lines import Code
from mirror.wire.values import PROTOCOL, Greeting, Identity, LoggedIn

log = logging.getLogger("mirror.login")

MAX_FAILURES = 3
"""Failed log-ins after which a connection is closed."""
FAILURE_PAUSE_S = 1.0
MAX_ACCOUNT = 200
"""Characters of a user's name by which failures are counted."""
MAX_SHOWN = 60
"""Characters of a name that nobody knows which the log is told."""


def name_user(session: Session, name: str) -> None:
    """USER: who is about to log in."""
    session.user_name = name
    session.node.single_user.check_open(f"user {name}")
    session.reply(Code.MORE, f"Password required for {name}")


def log_user_in(session: Session, password: str) -> None:
    """PASS: log in who was named before."""
    session.node.single_user.check_open(f"user {session.user_name}")
    if not session.user_name:
        raise Refused(Code.USER_REQUIRED, "You must send a name with USER first.")
    node, account = session.node, f"user {compared(session.user_name)[:MAX_ACCOUNT]}"
    _check_waits(session, account)
    user = node.store.read(lambda reader: node.directory.find_user(reader, session.user_name))
    if user is None or not may_log_in(user) or not password_matches(user, password):
        node.guessing.failed(session.network, account)
        _failed(session, f"user {session.user_name[:MAX_SHOWN]!r}")
        raise Refused(Code.PASSWORD, "Wrong user name or password.")
    check_place(node.sessions, f"user {session.user_name}", True, node.max_users)
    rooms = _let_in(session, user)
    node.guessing.succeeded(session.network, account)
    log.info("user %s has logged in from %s", session.user_name[:MAX_SHOWN], session.channel.peer)
    session.reply(Code.OK, format_logged_in(LoggedIn(session.user_name, user.key, rooms)))


def _let_in(session: Session, user: Record) -> int:
    """Have a user be who is at the other end; return how many rooms that opens.  Raises Refused.

    The account is looked at once more when that is so: what changes from then on ends the session.
    """
    rights = Rights(user.key, session.node.directory.rooms)
    session.password = values_of(user).get("u_password")
    session.party = Party(PartyKind.USER, session.user_name, UserScope(user.key, {}), user.key, rights)
    try:
        scope, by_now = session.node.store.read(lambda reader: (rights.at(reader), reader.get("users", user.key)))
        if values_of(by_now).get("u_password") != session.password:
            raise Refused(Code.PASSWORD, "Wrong user name or password.")
    except BaseException:
        session.log_out()
        raise
    session.party = session.party._replace(scope=scope)
    return len(scope.rooms)


def log_peer_in(session: Session, words: list[str]) -> None:
    """AUTH, twice: a peer and this node prove to each other that they know the secret."""
    try:
        if len(words) == 3:
            _scram_first(session, *words)
        elif len(words) in (1, 1 + len(Identity._fields)) and session.scram is not None:
            _scram_final(session, *words)
        else:
            raise Refused(Code.ILLEGAL, f"AUTH {MECHANISM}|node|client-first, then AUTH client-final|identity")
    except (ScramException, binascii.Error, UnicodeDecodeError, ValueError):
        session.scram = None
        session.node.guessing.failed(session.network)
        _failed(session, f"peer {session.scram_name[:MAX_SHOWN]!r}")
        raise Refused(Code.PASSWORD, "Unknown node or wrong secret.") from None


def _scram_first(session: Session, mechanism: str, name: str, message: str) -> None:
    if mechanism.upper() != MECHANISM:
        raise Refused(Code.UNKNOWN_COMMAND, f"only {MECHANISM} is known here")
    _check_waits(session)
    credential = session.node.credentials.find(name)

    def find(user: str) -> Credential:
        if user != name:
            raise ScramException("one name was said, another one is to be proved")
        return credential

    session.scram = ScramMechanism(MECHANISM).make_server(find)
    session.scram_name, session.credential = name, credential
    session.known = session.node.twins.recall(name)
    session.scram.set_client_first(base64.b64decode(message, validate=True).decode())
    session.reply(Code.MORE, base64.b64encode(session.scram.get_server_first().encode()).decode())


def _scram_final(session: Session, message: str, *identity: str) -> None:
    _check_waits(session)
    session.scram.set_client_final(base64.b64decode(message, validate=True).decode())
    proof = base64.b64encode(session.scram.get_server_final().encode()).decode()
    name = session.scram_name
    session.scram = None
    node = session.node
    _require_protocol(session, name)
    node.single_user.check_open(f"peer {name}")
    _admit(session, name, parse_identity(identity))
    peer = node.config.peer(name)
    if peer is None or not node.credentials.holds(name, session.credential):  # by now: all before took its time
        raise ScramException("this was a peer, or had this secret, when the log-in began")
    kind = peer.kind
    check_place(node.sessions, f"{SHARE if kind == SHARE else PartyKind.PEER} {name}", False, 0)
    if kind == SHARE:
        session.party = Party(PartyKind.SHARE, name, node.sharing.of(name).scope)
    else:
        session.party = Party(PartyKind.PEER, name, EVERYTHING)
    node.clock.hear(name, parse_agent_time(session.agent), session.agent_ms, kind != SHARE)
    greeting = Greeting(node.config.node, node.store.epoch, name in node.links, kind, node.identity())
    if not session.beside:
        log.info("%s has logged in from %s", session.party.label, session.channel.peer)
    session.reply(Code.OK, format_greeting(proof, greeting))


def _admit(session: Session, name: str, told: Identity) -> None:
    """Let a session in among those of its name.  Raises Refused where another node has that."""
    presence = Presence(told.instance, session.channel)
    try:
        session.node.twins.admit(name, told, session.known, presence)
    except (TwoOfOneName, NotNow) as error:
        session.node.faults.tell(log, f"peer {name}", f"refused at {session.channel.peer}: {error}")
        raise Refused(Code.TWIN if isinstance(error, TwoOfOneName) else Code.BUSY, str(error)) from None
    session.presence = presence


def _require_protocol(session: Session, name: str) -> None:
    """Raise Refused unless a peer merges by the same rules as this node."""
    spoken = parse_agent(session.agent)
    if spoken != PROTOCOL:
        session.node.faults.tell(log, f"peer {name}", f"refused: {describe_difference(name, spoken)}")
        raise Refused(Code.OTHER_PROTOCOL, describe_difference(name, spoken))


def _failed(session: Session, who: str) -> None:
    """Make guessing slow: a pause for each failure, and after a few of them the connection is closed."""
    session.failures += 1
    if session.network:  # each is told, for who has them counted: who goes on has to wait, so they are few
        log.warning("failed to log in as %s from %s", who, session.host)
    else:
        session.node.faults.tell(log, STRANGER, f"failed to log in as {who} from {session.channel.peer}")
    gevent.sleep(FAILURE_PAUSE_S)
    session.closing = session.failures >= MAX_FAILURES


def _check_waits(session: Session, account: str = "") -> None:
    """Raise Refused while nothing is looked at that comes from there, or is about that account."""
    wait_s = session.node.guessing.wait_s(session.network, account)
    if wait_s:
        session.failures += 1
        session.closing = session.failures >= MAX_FAILURES
        raise Refused(Code.BUSY, f"too many log-ins have failed; try again in {math.ceil(wait_s)} seconds")


def log_out(session: Session) -> None:
    """LOUT: nobody is logged in any more."""
    session.log_out()
    session.reply(Code.OK, "Logged out.")
