"""How many may be connected: who has not logged in takes no place of who has, nor one address those of the others.

Nobody can tell a peer from a stranger before it has logged in.  So there is always room for one more who wants to: the
stranger who has been here longest makes it, of those from the address with the most.  Knows no sockets.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from mirror.service.party import Party
from mirror.wire.errors import Refused
from mirror.wire.lines import Code

MIN_STRANGERS = 16
STRANGERS_SHARE = 4
"""Who is not logged in may have a fraction of ``max_sessions`` beside those, and at least so many places."""
MAX_OF_NETWORK = 64
"""Connections without a log-in that one address may have, but for this machine's own."""
MAX_OF_PARTY = 64
"""Connections of one account, or of one peer."""


class Visitor(Protocol):
    """A connection; ``network`` is where it comes from, empty for this machine; ``since`` when it came (seconds).

    ``leaving``: it was told to end, and may not have come to that yet.
    """

    party: Party | None
    host: str
    network: str
    since: float
    leaving: bool

    def hang_up(self) -> None:
        """End it at once."""
        ...


def max_strangers(max_sessions: int) -> int:
    """Return how many may be connected without having logged in."""
    return max(MIN_STRANGERS, max_sessions // STRANGERS_SHARE)


def make_room(visitors: Iterable[Visitor], network: str, max_sessions: int) -> Visitor | None:
    """Have a stranger leave if there is no place for one more from a network; return whom.

    Very many may come at once, before any that was told to leave has: so each of them has another one leave.
    """
    strangers = [one for one in visitors if one.party is None and not one.leaving]
    same = [one for one in strangers if one.network == network]
    if network and len(same) >= MAX_OF_NETWORK:
        leaves = min(same, key=lambda one: one.since)
    elif len(strangers) >= max_strangers(max_sessions):
        count = Counter(one.network for one in strangers)
        leaves = min(strangers, key=lambda one: (-count[one.network], one.since))
    else:
        return None
    leaves.hang_up()
    return leaves


def check_place(visitors: Iterable[Visitor], label: str, is_user: bool, max_sessions: int) -> None:
    """Raise Refused where there is no place for one more of a party, by its label; users have so many among them."""
    parties = [one.party for one in visitors if one.party is not None]
    if sum(party.label == label for party in parties) >= MAX_OF_PARTY:
        raise Refused(Code.TOO_MANY, f"{label} has {MAX_OF_PARTY} connections already")
    if is_user and sum(party.is_user for party in parties) >= max_sessions:
        raise Refused(Code.TOO_MANY, f"{max_sessions} users are logged in already; try again later")
