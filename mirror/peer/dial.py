"""Dialling a peer: connect, encrypt, prove each other with SCRAM-SHA-256 (RFC 5802, RFC 7677)."""

import base64
import binascii
from collections.abc import Callable

from gevent import get_hub
from scramp import ScramClient, ScramException

import mirror
from mirror.addresses import Address
from mirror.config.settings import SHARE, Peer
from mirror.model.errors import MirrorError
from mirror.peer.channel import Channel, NotTrusted, greeted
from mirror.peer.clocks import SYSTEM
from mirror.peer.tls import secure, shown_by
from mirror.store.threads import run_in
from mirror.sync.clock import ClockGuard
from mirror.sync.twins import TwoOfOneName
from mirror.wire.answers import format_agent, format_identity, parse_greeting, parse_server_info
from mirror.wire.errors import ProtocolError, Refused
from mirror.wire.lines import Code
from mirror.wire.values import OLDEST_PROTOCOL, PROTOCOL, Greeting, Identity

MECHANISM = "SCRAM-SHA-256"
MIN_ITERATIONS, MAX_ITERATIONS = 4096, 100_000
"""Rounds of the derivation that the other side may ask for: fewer help who guesses, more (0.2 s) hold us up."""


class NotAuthenticated(MirrorError):
    """One of the two sides does not know the shared secret."""

    exit_code = 7


class KindsDiffer(MirrorError):
    """One side takes the other for a mirror, the other one just shares rooms."""

    exit_code = 3


class ProtocolsDiffer(MirrorError):
    """The two nodes merge by different rules, so they exchange nothing."""

    exit_code = 3


def describe_difference(peer: str, spoken: int) -> str:
    """Return what to do about a peer that speaks another protocol."""
    if spoken < PROTOCOL:
        return f"peer {peer} speaks protocol {spoken}, this node {PROTOCOL}: upgrade it"
    return f"peer {peer} speaks protocol {spoken}, this node {PROTOCOL}: upgrade this node"


def dial(address: Address, trust: str, timeout: float) -> Channel:
    """Return an encrypted connection."""
    try:
        return greeted(address.host, address.port, timeout, lambda channel: secure(channel, trust, address.host))
    except NotTrusted as error:
        if trust.startswith("pin:"):
            raise
        raise NotTrusted(f"{error}; {_what_to_trust(address, timeout)}") from None


def _what_to_trust(address: Address, timeout: float) -> str:
    """Return what to compare and to say for a certificate that nobody vouches for."""
    try:
        shown = shown_by(address.host, address.port, timeout)
    except MirrorError as error:
        return f"which one it is cannot be seen: {error}"
    return (
        f"it shows pin:{shown}: if 'ctdlmirror status' there says the same, "
        f"run 'ctdlmirror peer add' again with --trust pin:{shown}"
    )


def authenticate(
    channel: Channel,
    own_name: str,
    secret: str,
    now_ms: Callable[[], int] = SYSTEM.now_ms,
    identify: Callable[[], Identity] = Identity,
) -> Greeting:
    """Say which protocol we speak, and our time, and log in as a peer; both sides prove that they know the secret.

    ``identify`` tells which one we are of those that have our name; it is called once the other side has looked up
    what it knows of us.  Raises NotAuthenticated, TwoOfOneName.
    """
    channel.ask(f"IDEN {format_agent(mirror.__version__, own_name, now_ms())}")
    client = ScramClient([MECHANISM], own_name, secret)
    first = base64.b64encode(client.get_client_first().encode()).decode()
    reply = channel.ask(f"AUTH {MECHANISM}|{own_name}|{first}", 3)
    try:
        client.set_server_first(base64.b64decode(reply.text, validate=True).decode())
        asked = int(client.iterations)
        if not MIN_ITERATIONS <= asked <= MAX_ITERATIONS:
            allowed = f"{MIN_ITERATIONS} to {MAX_ITERATIONS} are taken"
            raise NotAuthenticated(f"{channel.peer} asks for {asked} iterations of SCRAM: {allowed}")
        final = base64.b64encode(run_in(get_hub().threadpool, client.get_client_final).encode()).decode()
        answer = channel.ask(f"AUTH {final}{_told(identify())}")
        proof, greeting = parse_greeting(answer.text)
        client.set_server_final(base64.b64decode(proof, validate=True).decode())
    except (ScramException, binascii.Error, UnicodeDecodeError) as error:
        raise NotAuthenticated(f"{channel.peer} does not know the secret we share: {error}") from None
    except Refused as error:
        if error.code == Code.TWIN:
            raise TwoOfOneName(error.text) from None
        if error.code == Code.PASSWORD:
            raise NotAuthenticated(f"{channel.peer}: {error.text}") from None
        raise
    return greeting


def _told(identity: Identity) -> str:
    return f"|{format_identity(identity)}" if identity.instance else ""


def _agree(channel: Channel, peer: str) -> int:
    """Ask which protocol the other side speaks, and return its time.  Raises ProtocolsDiffer unless it is ours."""
    channel.ask("INFO", 1)
    info = parse_server_info(channel.read_listing())
    if info.protocol != PROTOCOL:
        raise ProtocolsDiffer(describe_difference(peer, info.protocol or OLDEST_PROTOCOL))
    return info.time_ms


def ask_time(address: Address, trust: str, timeout: float) -> int:
    """Return what the clock of a node says (Unix milliseconds)."""
    channel = dial(address, trust, timeout)
    try:
        channel.ask("INFO", 1)
        return parse_server_info(channel.read_listing()).time_ms
    finally:
        channel.close()


def dial_peer(
    peer: Peer,
    own_name: str,
    secret: str,
    timeout: float,
    guard: ClockGuard | None = None,
    identify: Callable[[], Identity] = Identity,
) -> tuple[Channel, Greeting]:
    """Return a connection to a configured peer, both sides proved; ``guard`` hears what its clock says.

    ``identify`` is as ``authenticate`` takes it.
    """
    if peer.address is None:
        raise ProtocolError(f"peer {peer.name} has no address")
    channel = dial(peer.address, peer.trust, timeout)
    try:
        now_ms = guard.now_ms if guard is not None else SYSTEM.now_ms
        theirs_ms, ours_ms = _agree(channel, peer.name), now_ms()
        greeting = authenticate(channel, own_name, secret, now_ms, identify)
        if greeting.node != peer.name:
            raise NotAuthenticated(f"{channel.peer} is node {greeting.node!r}, expected was {peer.name!r}")
        if greeting.kind != peer.kind:
            raise KindsDiffer(
                f"{peer.name} has us as a peer of kind {greeting.kind}, here it is one of kind {peer.kind}: "
                "both have to say the same with 'ctdlmirror peer add NAME --kind KIND'"
            )
        if guard is not None:
            guard.hear(peer.name, theirs_ms, ours_ms, peer.kind != SHARE)
    except BaseException:
        channel.close()
        raise
    return channel, greeting
