"""Which number a server gives to what is made next.

It counts, and tells and takes its counter as a setting.  That is set forward where something made elsewhere can keep
its number so, and never where others, who make things meanwhile, could have come so far: set back, it would give
numbers twice.
"""

from typing import NamedTuple

from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.writers.base import said_yes
from mirror.formats.numbers import number_or_zero

SAFE_DISTANCE = 20
"""A user's first log-in makes nine rooms at once."""


class Next(NamedTuple):
    """The number that is given next if nobody else makes anything, and what has to be asked for that first."""

    number: int
    commands: list[bytes]


def next_number(client: CitadelClient, counter: str, wanted: int) -> Next:
    """Return which number can be had of a counter; the wanted one where the server never had it, or one near to it."""
    (answer,) = client.ask_all([f"CONF GETVAL|{counter}".encode()])
    value = answer[0].decode("ascii", "replace")[4:].partition("|")[0] if said_yes(answer) else ""
    last = number_or_zero(value)
    if wanted > last + SAFE_DISTANCE:
        return Next(wanted, [f"CONF PUTVAL|{counter}|{wanted - 1}".encode()])
    return Next(last + 1, [])
