"""Commands about the node itself and the session: what everybody may ask, logged in or not."""

import logging
import time

import mirror
from mirror.server.session import Session
from mirror.service.party import PartyKind
from mirror.wire.answers import format_server_info, format_server_time
from mirror.wire.errors import Refused
from mirror.wire.lines import Code
from mirror.wire.values import (
    DRAFTS_BASE,
    FIND,
    FOLDERS,
    PROTOCOL,
    ROOMS,
    VERSIONS,
    Identity,
    ServerInfo,
    ServerTime,
)

log = logging.getLogger("mirror.session")

CAPABILITIES = (
    "sync",
    "stls",
    "scram-sha-256",
    "msgpack",
    "json",
    "pin",
    "tail",
    "ranges",
    DRAFTS_BASE,
    FIND,
    FOLDERS,
    ROOMS,
    VERSIONS,
)
MAX_AGENT = 200
"""Characters of what a client calls itself."""


def tell_info(session: Session) -> None:
    """INFO: what this node is and can do; its epoch is for who is logged in."""
    node = session.node
    info = ServerInfo(
        node=node.config.node,
        software=f"citadel-mirror {mirror.__version__}",
        protocol=PROTOCOL,
        capabilities=CAPABILITIES,
        tls=session.secure,
        mode=node.single_user.mode.value,
        time_ms=node.store.clock.now_ms(),
        epoch=node.store.read(lambda reader: reader.root()).epoch if session.party is not None else "",
        identity=node.identity() if session.party_kind == PartyKind.ADMIN else Identity(),
    )
    session.send_listing("Server info:", format_server_info(info))


def tell_help(session: Session, verb: str) -> None:
    """HELP: all commands, or one with what it does."""
    commands = session.table.commands
    handler = commands.get(verb.upper())
    if handler is not None:
        session.send_listing(verb.upper(), [f"{verb.upper()} {handler.parameters}".strip(), handler.help])
    else:
        session.send_listing("Commands:", [f"{name} {one.parameters}".strip() for name, one in commands.items()])


def note_agent(session: Session, agent: str) -> None:
    """IDEN: what the client is."""
    session.agent = agent[:MAX_AGENT]
    session.agent_ms = session.node.store.clock.now_ms()
    session.reply(Code.OK, "Ok")


def do_nothing(session: Session) -> None:
    """NOOP: a keepalive."""
    session.reply(Code.OK, "ok")


def say_nothing(_session: Session) -> None:
    """QNOP: a keepalive that gets no answer."""


def echo(session: Session, text: str) -> None:
    """ECHO: the same text."""
    session.reply(Code.OK, text)


def tell_time(session: Session) -> None:
    """TIME: this node's clock."""
    now = time.time()
    local = time.localtime(now)
    told = ServerTime(int(now), local.tm_gmtoff, local.tm_isdst, int(session.node.started))
    session.reply(Code.OK, format_server_time(told))


def begin_tls(session: Session) -> None:
    """STLS: go on encrypted."""
    if session.secure:
        raise Refused(Code.ILLEGAL, "TLS is on already.")
    if session.node.tls is None:
        raise Refused(Code.UNKNOWN_COMMAND, "TLS is not set up here.")
    session.reply(Code.OK, "Begin TLS now.")
    session.begin_tls()


def leave(session: Session, reason: str) -> None:
    """QUIT: end the session; a node may say why: that another node has our name."""
    session.closing = True
    code, _, text = reason.partition("|")
    party = session.party
    if party is not None and party.kind == PartyKind.PEER and code == str(int(Code.TWIN)):
        session.node.twins.was_refused(party.name, text)
        session.node.faults.tell(log, party.label, f"hung up: {text}")
    session.reply(Code.OK, "Goodbye.")
