"""The command table: every command, who may use it, what it does.  SYNC's actions are in sync_commands.

The table is also what ``HELP`` prints and what docs/protocol.md is checked against.
"""

import base64
import binascii
import time
from collections.abc import Callable
from typing import NamedTuple

import gevent
from scramp import ScramException, ScramMechanism

import mirror
from mirror.peer.dial import MECHANISM
from mirror.server.access import Party, find_user, password_matches, user_scope
from mirror.server.session import Session
from mirror.server.share_commands import get_lines, go_to, set_lines
from mirror.server.single_user import MAX_SECONDS
from mirror.server.sync_commands import run_sync
from mirror.sync.scope import EVERYTHING
from mirror.wire.answers import (
    format_greeting,
    format_logged_in,
    format_server_info,
    format_server_time,
)
from mirror.wire.errors import Refused
from mirror.wire.lines import Code, Command, parse_number
from mirror.wire.values import Greeting, LoggedIn, ServerInfo, ServerTime

PROTOCOL_VERSION = 1
CAPABILITIES = ("sync", "stls", "scram-sha-256", "msgpack", "json", "pin", "tail", "ranges")
MAX_FAILURES = 3
"""Failed log-ins after which a connection is closed."""
FAILURE_PAUSE_S = 1.0


class Entry(NamedTuple):
    """One command: what runs it, its parameters as documented, what it does."""

    run: Callable[[Session, list[str]], None]
    parameters: str
    help: str


def run_command(session: Session, command: Command) -> None:
    """Run one command.  Raises what Session.run turns into replies."""
    entry = TABLE.get(command.verb)
    if entry is None:
        raise Refused(
            Code.UNKNOWN_COMMAND, f"Unrecognized or unsupported command {command.verb[:20]!r}; HELP lists all."
        )
    entry.run(session, command.parameters)


def _info(session: Session, _parameters: list[str]) -> None:
    node = session.node
    info = ServerInfo(
        node=node.config.node,
        software=f"citadel-mirror {mirror.__version__}",
        protocol=PROTOCOL_VERSION,
        capabilities=CAPABILITIES,
        tls=session.secure,
        mode=node.single_user.mode.value,
        time_ms=int(time.time() * 1000),
        epoch=node.store.read(lambda reader: reader.root()).epoch if session.party is not None else "",
    )
    session.send_listing("Server info:", format_server_info(info))


def _help(session: Session, parameters: list[str]) -> None:
    if parameters and parameters[0].upper() in TABLE:
        verb = parameters[0].upper()
        session.send_listing(verb, [f"{verb} {TABLE[verb].parameters}".strip(), TABLE[verb].help])
    else:
        session.send_listing("Commands:", [f"{verb} {entry.parameters}".strip() for verb, entry in TABLE.items()])


def _iden(session: Session, parameters: list[str]) -> None:
    session.agent = "|".join(parameters)[:200]
    session.reply(Code.OK, "Ok")


def _noop(session: Session, _parameters: list[str]) -> None:
    session.reply(Code.OK, "ok")


def _qnop(_session: Session, _parameters: list[str]) -> None:
    """A keepalive that gets no answer."""


def _echo(session: Session, parameters: list[str]) -> None:
    session.reply(Code.OK, "|".join(parameters))


def _time(session: Session, _parameters: list[str]) -> None:
    now = time.time()
    local = time.localtime(now)
    told = ServerTime(int(now), local.tm_gmtoff, local.tm_isdst, int(session.node.started))
    session.reply(Code.OK, format_server_time(told))


def _quit(session: Session, _parameters: list[str]) -> None:
    session.closing = True
    session.reply(Code.OK, "Goodbye.")


def _logout(session: Session, _parameters: list[str]) -> None:
    session.log_out()
    session.reply(Code.OK, "Logged out.")


def _stls(session: Session, _parameters: list[str]) -> None:
    if session.secure:
        raise Refused(Code.ILLEGAL, "TLS is on already.")
    if session.node.tls is None:
        raise Refused(Code.UNKNOWN_COMMAND, "TLS is not set up here.")
    session.reply(Code.OK, "Begin TLS now.")
    session.begin_tls()


# -- log-in -------------------------------------------------------------------------------------------


def _user(session: Session, parameters: list[str]) -> None:
    session.require_private_line()
    _refuse_second(session)
    session.user_name = parameters[0] if parameters else ""
    session.node.single_user.check_open(f"user {session.user_name}")
    if not session.user_name:
        raise Refused(Code.ILLEGAL, "USER name")
    session.reply(Code.MORE, f"Password required for {session.user_name}")


def _pass(session: Session, parameters: list[str]) -> None:
    session.require_private_line()
    _refuse_second(session)
    session.node.single_user.check_open(f"user {session.user_name}")
    if not session.user_name:
        raise Refused(Code.USER_REQUIRED, "You must send a name with USER first.")
    password = "|".join(parameters)
    user = session.node.store.read(lambda reader: find_user(reader, session.user_name))
    if user is None or not password_matches(user, password):
        _failed(session)
        raise Refused(Code.PASSWORD, "Wrong user name or password.")
    scope = session.node.store.read(lambda reader: user_scope(reader, user))
    session.party = Party("user", session.user_name, scope, user.key)
    session.reply(Code.OK, format_logged_in(LoggedIn(session.user_name, user.key, len(scope.rooms))))


def _auth(session: Session, parameters: list[str]) -> None:
    session.require_private_line()
    _refuse_second(session)
    try:
        if len(parameters) == 3:
            _scram_first(session, *parameters)
        elif len(parameters) == 1 and session.scram is not None:
            _scram_final(session, parameters[0])
        else:
            raise Refused(Code.ILLEGAL, f"AUTH {MECHANISM}|node|client-first, then AUTH client-final, in base64")
    except (ScramException, binascii.Error, UnicodeDecodeError, ValueError):
        session.scram = None
        _failed(session)
        raise Refused(Code.PASSWORD, "Unknown node or wrong secret.") from None


def _scram_first(session: Session, mechanism: str, name: str, message: str) -> None:
    if mechanism.upper() != MECHANISM:
        raise Refused(Code.UNKNOWN_COMMAND, f"only {MECHANISM} is known here")
    credentials = session.node.credentials

    def find(user: str) -> object:
        if user != name or name not in credentials:
            raise ScramException("unknown node")
        return credentials[name]

    session.scram = ScramMechanism(MECHANISM).make_server(find)
    session.scram_name = name
    session.scram.set_client_first(base64.b64decode(message, validate=True).decode())
    session.reply(Code.MORE, base64.b64encode(session.scram.get_server_first().encode()).decode())


def _scram_final(session: Session, message: str) -> None:
    session.scram.set_client_final(base64.b64decode(message, validate=True).decode())
    proof = base64.b64encode(session.scram.get_server_final().encode()).decode()
    name = session.scram_name
    session.scram = None
    session.node.single_user.check_open(f"peer {name}")
    peer = session.node.config.peer(name)
    if peer is not None and peer.kind == "share":
        session.party = Party("share", name, session.node.sharing.of(name).scope)
    else:
        session.party = Party("peer", name, EVERYTHING)
    kind = peer.kind if peer is not None else "mirror"
    node = session.node
    greeting = Greeting(node.config.node, node.store.epoch, name in node.links, kind)
    session.reply(Code.OK, format_greeting(proof, greeting))


def _refuse_second(session: Session) -> None:
    if session.party is not None:
        raise Refused(Code.ALREADY_LOGGED_IN, "Already logged in.")


def _failed(session: Session) -> None:
    """Make guessing slow: a pause for each failure, and after a few of them the connection is closed."""
    session.failures += 1
    gevent.sleep(FAILURE_PAUSE_S)
    session.closing = session.failures >= MAX_FAILURES


# -- single-user mode ---------------------------------------------------------------------------------


def _sngl(session: Session, parameters: list[str]) -> None:
    party = session.require_party()
    if not party.administers:
        raise Refused(Code.ACCESS, "single-user mode is for peers and administrators")
    numbers = [parse_number(part, MAX_SECONDS) for part in parameters]
    if len(numbers) != 2 or numbers[0] is None or numbers[1] is None:
        raise Refused(Code.ILLEGAL, f"SNGL wait|expire, in seconds, at most {MAX_SECONDS}")
    wait, expire = numbers[0], max(1, numbers[1])
    session.node.single_user.enter(party.label, wait, expire, session.node.notify_users)
    session.reply(
        Code.OK, f"single-user mode for {party.label}, ends by ESNG or {expire} seconds after the last command"
    )


def _esng(session: Session, _parameters: list[str]) -> None:
    session.node.single_user.leave(session.require_party().label)
    session.reply(Code.OK, "multi-user mode")


TABLE: dict[str, Entry] = {
    "INFO": Entry(_info, "", "node name, protocol version, capabilities, time in milliseconds"),
    "HELP": Entry(_help, "[command]", "lists the commands, or explains one"),
    "IDEN": Entry(_iden, "developer|client|version|description|host", "says what the client is"),
    "NOOP": Entry(_noop, "", "does nothing; keeps the session"),
    "QNOP": Entry(_qnop, "", "does nothing and answers nothing"),
    "ECHO": Entry(_echo, "text", "answers the text"),
    "TIME": Entry(_time, "", "Unix time, offset from UTC in seconds, daylight saving, start of the daemon"),
    "STLS": Entry(_stls, "", "goes on encrypted"),
    "AUTH": Entry(_auth, f"{MECHANISM}|node|client-first, then: client-final", "logs a peer in (SCRAM, base64)"),
    "USER": Entry(_user, "name", "names the user who logs in"),
    "PASS": Entry(_pass, "password", "logs the user in"),
    "LOUT": Entry(_logout, "", "logs out"),
    "SNGL": Entry(
        _sngl, "wait|expire", "goes single-user within wait seconds, until ESNG or expire seconds of silence"
    ),
    "ESNG": Entry(_esng, "", "ends single-user mode"),
    "GOTO": Entry(go_to, "room", "enters a room, by the name it is shown under"),
    "GNET": Entry(get_lines, "", "shows the room's network configuration to its aide"),
    "SNET": Entry(set_lines, "", "replaces it: send the lines; all are checked first"),
    "SYNC": Entry(run_sync, "type|action|...", "synchronises; SYNC lists types, SYNC type its actions"),
    "QUIT": Entry(_quit, "", "ends the session"),
}
