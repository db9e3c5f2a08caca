"""Rooms' network configurations in an export, which become proposals: what they share is in force once confirmed.

They come before the rooms, and how far the server has sent a room (``lastsent``) is its own affair.  Of lines that act
those of another server, the room's home (mirror.citadel.meaning.homes), stay where this one says nothing of them.
"""

import base64
import binascii
from typing import NamedTuple

from mirror.citadel.meaning.homes import is_in_force_elsewhere, read_home
from mirror.citadel.meaning.keys import ROOMS
from mirror.citadel.meaning.said_lines import says_that_some_act, tag_of_lines
from mirror.formats.errors import CitadelError
from mirror.formats.numbers import parse_number
from mirror.formats.server_own import NETCONF_SETTING
from mirror.model.record import pack_head
from mirror.store.base import Reader
from mirror.sync.share.rules import LAST_SENT_HEAD, NETCONF_KEY, PROPOSED, is_proposed
from netconf.acting import acting_lines, beside
from netconf.lines import IGNET_SHARE, LAST_SENT, MIRROR_SHARE, parse_lines, replace_lines
from netconf.rules import read_last_sent


class Proposal(NamedTuple):
    """One room's lines, without what is the server's own, and the line of the export that says them."""

    room: int
    head: bytes
    body: bytes
    line: int
    shares: bool
    """Whether they share the room with other nodes."""


def read_proposal(key: str, text: str, line: int) -> Proposal:
    """Read the setting that holds a room's lines.  Raises CitadelError."""
    try:
        room = parse_number(key.removeprefix(NETCONF_SETTING), "its room")
        body = base64.b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error) as error:
        raise CitadelError(f"{key}: {error}") from None
    lines = parse_lines(body)
    kinds = {one.kind for one in lines}
    last_sent = read_last_sent(lines) if IGNET_SHARE in kinds else 0
    head = {PROPOSED: True, LAST_SENT_HEAD: last_sent} if last_sent else {PROPOSED: True}
    kept = replace_lines(body, lambda one: one.kind == LAST_SENT)
    return Proposal(room, pack_head(head), kept, line, bool(kinds & {IGNET_SHARE, MIRROR_SHARE}))


def as_taken(reader: Reader, place: str, room: str, collection: str, proposal: Proposal) -> Proposal | None:
    """Return a proposal as it is taken over of a place; None where that has said just this before, or it is confirmed.

    ``room`` is the room's key, ``collection`` that of its lines.
    """
    said = reader.statuses(place, collection, [NETCONF_KEY])
    last = said[0].tag if said else ""
    if last == tag_of_lines(proposal.body) or in_force(reader, collection):
        return None
    held = reader.get(collection, NETCONF_KEY)
    body = proposal.body
    if _acts_elsewhere(reader, place, room, last, body):
        body = beside(body, b"" if held is None or held.dead else reader.body(held))
    return proposal._replace(body=body, head=_head_of(reader, collection, proposal._replace(body=body)))


def _acts_elsewhere(reader: Reader, place: str, room: str, last: str, body: bytes) -> bool:
    """Tell whether the lines that act are another server's, given the tag that this one had last and what it says."""
    if read_home(reader, ROOMS, room) is not None:
        return is_in_force_elsewhere(reader, place, ROOMS, room)
    return not (says_that_some_act(last) or acting_lines(body))


def _head_of(reader: Reader, collection: str, proposal: Proposal) -> bytes:
    """Return the head under which a proposal is written.

    Where nothing but how far the server has sent the room is new, the head that is held stays.
    """
    held = reader.get(collection, NETCONF_KEY)
    if held is None or not is_proposed(held) or reader.body(held) != proposal.body:
        return proposal.head
    return held.head


def in_force(reader: Reader, collection: str) -> bool:
    """Tell whether an administrator has confirmed what is held, or wrote it here."""
    held = reader.get(collection, NETCONF_KEY)
    return held is not None and not held.dead and not is_proposed(held)
