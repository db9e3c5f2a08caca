"""What is to be written into a place of one thing that is here: a function of what it said last, and what is here.

The direction is *to*, for whatever kind of thing.  A place may keep less than it is given, so what it says of a version
that it was given is no measure: both agreed on the version that its status names as the base.  Does no I/O, reads no
clock, knows no store and no kind of place.

| status | here | what is done |
| --- | --- | --- |
| none | something | it is written |
| none | deleted | nothing |
| of the version that is here | something | nothing |
| says just what is here | something | that it does so is noted |
| of a version that was seen here | something else | it is written over what is there |
| of one that never was, as at pairing | something else | what is there is taken first, so that nothing is lost |
| any | deleted | it is deleted there |
"""

import enum
from collections.abc import Sequence

from mirror.model.draft import base_of
from mirror.model.merge import Body, inline_body
from mirror.model.record import Record, vector_of
from mirror.model.status import Status, differing, held_beside


class Errand(enum.Enum):
    """What is to be done at a place about one thing."""

    NOTHING = "nothing"
    NOTE = "that it says what is here is noted"
    TAKE = "what is there is taken first, and then it is written"
    WRITE = "it is written"
    DELETE = "it is deleted there"


def plan_back(said: Sequence[Status], here: Record, body: Body = inline_body) -> Errand:
    """Return what is to be done about a thing of which a place ``said`` this last; ``body`` returns what is here.

    Raises BadRecord.
    """
    if here.dead:
        return Errand.DELETE if said else Errand.NOTHING
    if not said:
        return Errand.WRITE
    base = base_of(here)
    if any(status.base == base for status in said):
        return Errand.NOTHING
    if any(says_the_same(status, here, body) for status in said):
        return Errand.NOTE
    seen = vector_of(here)
    was_seen = (all(seen.get(origin, 0) >= stamp for origin, stamp in status.base.vector.items()) for status in said)
    return Errand.WRITE if all(was_seen) else Errand.TAKE


def says_the_same(status: Status, here: Record, body: Body = inline_body) -> bool:
    """Tell whether a place said last just what a living version says.  Raises BadRecord."""
    return not differing(status.said, held_beside(status.said, here, body))
