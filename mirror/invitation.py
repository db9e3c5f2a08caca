"""An invitation: all that one node has to know to become another one's peer, as a string that is carried by hand.

It holds a secret that is good for one log-in within a day: joining replaces it by one that nobody has seen.  Knows
neither files nor sockets, and reads no clock.
"""

import base64
import binascii
import zlib

import msgspec

from mirror.addresses import read_address
from mirror.model.errors import MirrorError

PREFIX = "ctdlmirror-invitation-1-"
VALID_S = 86_400
"""Seconds for which an invitation is good."""
MAX_TEXT = 10_000
"""Characters of an invitation that are read."""
MAX_PIECES = 100
"""Lines that it may have been broken into, and words behind it."""


class BadInvitation(MirrorError):
    """A string that is no invitation, or one that was cut on its way."""

    exit_code = 3


class Invitation(msgspec.Struct, frozen=True):
    """``node`` invites ``guest``: where it listens, the pin of its certificate, the secret, and until when (Unix s)."""

    node: str
    guest: str
    kind: str
    addresses: list[str]
    pin: str
    secret: str
    until: int


def write_invitation(one: Invitation) -> str:
    """Return an invitation as a string without spaces."""
    data = msgspec.json.encode(one)
    return PREFIX + base64.urlsafe_b64encode(zlib.crc32(data).to_bytes(4, "big") + data).decode().rstrip("=")


def read_invitation(text: str) -> Invitation:
    """Read an invitation, also one that was broken into lines, or copied with what was printed around it.

    Raises BadInvitation.
    """
    _, prefix, rest = text[:MAX_TEXT].partition(PREFIX)
    if not prefix:
        raise BadInvitation(f"this is no invitation: it begins with {PREFIX}, as 'ctdlmirror peer invite' prints it")
    pieces = rest.split(maxsplit=MAX_PIECES)
    whole = (_unpacked("".join(pieces[:count])) for count in range(1, len(pieces) + 1))
    try:
        found = msgspec.json.decode(next(filter(None, whole), b""), type=Invitation)
        for address in found.addresses:
            read_address(address)
    except (ValueError, msgspec.DecodeError):
        raise BadInvitation("the invitation is not whole: copy all of it, from its first letter to its last") from None
    return found


def _unpacked(packed: str) -> bytes:
    """Return what is in an invitation that is whole, else nothing."""
    try:
        data = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
    except (ValueError, binascii.Error):
        return b""
    return data[4:] if zlib.crc32(data[4:]).to_bytes(4, "big") == data[:4] else b""
