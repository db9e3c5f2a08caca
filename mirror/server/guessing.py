"""Makes guessing slow: who fails to log in has to wait before the next try is looked at, each time for longer.

Failures count for the address that they come from and for the account that they are about.  An account opens at once
to where somebody logged in to it before, so nobody can lock its owner out by guessing.  Knows no sockets.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from ipaddress import IPv6Address, ip_address, ip_network

from mirror.addresses import unmapped

FREE = 5
"""Failures after which there is a wait."""
MAX_WAIT_ADDRESS_S = 600.0
MAX_WAIT_ACCOUNT_S = 60.0
"""Seconds of the longest wait: shorter for an account, since its owner may come from a new place."""
FORGOTTEN_S = 3600.0
"""Seconds without a failure after which the earlier ones count no more."""
MAX_KNOWN = 16_384
"""Addresses or accounts that are remembered; the earliest failures are forgotten first."""


def network_of(host: str) -> str:
    """Return what counts as one place on the network: an IPv4 address, or the /64 that one IPv6 host may have whole."""
    try:
        address = unmapped(ip_address(host))
    except ValueError:
        return host
    return str(ip_network((address, 64), strict=False)) if isinstance(address, IPv6Address) else str(address)


class _Failed:
    """Failures in a row, and from when the next try is looked at (seconds of the clock)."""

    __slots__ = ("at", "count", "until")

    def __init__(self) -> None:
        self.count, self.at, self.until = 0, 0.0, 0.0


class Failures:
    """Failures of many, each known by a name."""

    def __init__(self, max_wait_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` returns seconds that only go forward."""
        self._max_wait_s = max_wait_s
        self._clock = clock
        self._failed: OrderedDict[Hashable, _Failed] = OrderedDict()

    def wait_s(self, who: Hashable) -> float:
        """Return for how many seconds no try is looked at."""
        failed = self._failed.get(who)
        return max(0.0, failed.until - self._clock()) if failed is not None else 0.0

    def failed(self, who: Hashable) -> None:
        """Count one more: after a few of them each doubles the wait."""
        now, held = self._clock(), self._failed.get(who)
        if held is None or now - held.at > FORGOTTEN_S:
            held = self._failed[who] = _Failed()
        held.count, held.at = held.count + 1, now
        if held.count >= FREE:
            held.until = now + min(self._max_wait_s, 2.0 ** min(held.count - FREE, 32))
        self._failed.move_to_end(who)
        if len(self._failed) > MAX_KNOWN:
            self._failed.popitem(last=False)

    def succeeded(self, who: Hashable) -> None:
        """Forget what went before."""
        self._failed.pop(who, None)


class Guessing:
    """Who has to wait at this node's doors."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._networks = Failures(MAX_WAIT_ADDRESS_S, clock)
        self._accounts = Failures(MAX_WAIT_ACCOUNT_S, clock)
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def wait_s(self, network: str, account: str = "") -> float:
        """Return for how many seconds a log-in is not looked at; without a network it comes from this machine."""
        known = (network, account) in self._known
        return max(self._networks.wait_s(network), 0.0 if known else self._accounts.wait_s(account))

    def failed(self, network: str, account: str = "") -> None:
        """Count a failed log-in; a peer's counts for its address alone, since its secret is not guessed.

        This machine as a whole never waits: all who come by a proxy on it would.
        """
        if network:
            self._networks.failed(network)
        if account:
            self._accounts.failed(account)

    def succeeded(self, network: str, account: str) -> None:
        """Remember from where an account was opened.  The address has guessed others' no less."""
        self._accounts.succeeded(account)
        self._known[network, account] = None
        self._known.move_to_end((network, account))
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
