"""How many files this process may have open, and how many connections that is enough for."""

import logging
import resource
from bisect import bisect_right

from mirror.server.doors import max_strangers

log = logging.getLogger("mirror.listener")

OWN = 256
"""Files that a node has open besides connections: the store and its readers, links, listeners, contents under way."""


def needed(max_sessions: int) -> int:
    """Return how many files a node with so many users' connections may have open at once."""
    return max_sessions + max_strangers(max_sessions) + OWN


def allowed(max_sessions: int, limit: int) -> int:
    """Return how many of so many users' connections a limit of open files is enough for."""
    return max(1, bisect_right(range(1, max_sessions + 1), limit, key=needed))


def raise_limit(max_sessions: int) -> int:
    """Have this process open as many files as it needs, as far as it may; return for how many users' connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed(max_sessions)
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    enough = allowed(max_sessions, soft)
    if enough < max_sessions:
        log.warning(
            "%d open files are allowed and %d needed: %d users at a time instead of %d; raise LimitNOFILE or lower "
            "max_sessions",
            soft,
            wanted,
            enough,
            max_sessions,
        )
    return enough
