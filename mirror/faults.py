"""What goes wrong again and again: told in one line, not again for an hour, but counted.

Who tells of faults of one party, a peer or a link, hands in what that is called; a party that has many different
faults is told of up to a bound, so that no party fills the log.  Knows nothing of what the faults are.
"""

import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mirror.model.errors import MirrorError

AGAIN_S = 3600.0
"""Seconds for which the same fault is only counted."""
MAX_EACH = 16
"""Different faults of one party that are told of in that time."""
MAX_PARTIES = 1024
"""Parties whose faults are remembered; of more than these the one that was quiet for longest is forgotten."""

MAX_LINE = 1000
"""Characters of a fault that are told."""

_NUMBER = re.compile(r"\d+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UNREAD = "cannot be read: {}; trying again at the next change"
_OTHERS = "\n"
"""Stands for all faults of a party beyond those that are told of."""


class _Told:
    """When a fault was told of last (seconds of the clock), and how often it came since."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.since = 0


class Faults:
    """Remembers which faults the log was told of."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` returns seconds that only go forward."""
        self._clock = clock
        self._parties: OrderedDict[str, dict[str, _Told]] = OrderedDict()

    def tell(
        self, log: logging.Logger, party: str, what: str, level: int = logging.WARNING, error: Exception | None = None
    ) -> bool:
        """Tell a log what is wrong with a party, unless it was told of that within the hour; return whether it was.

        Faults that differ in numbers alone (ports, places, sizes) are the same.  With an ``error`` its traceback is
        told too.
        """
        what = _CONTROL.sub(" ", what[:MAX_LINE])
        held = self._held(party)
        name = self._name(held, _NUMBER.sub("#", what))
        now = self._clock()
        told = held.get(name)
        if told is not None and now - told.at < AGAIN_S:
            told.since += 1
            return False
        before = f" ({told.since} more times since this was told last)" if told is not None and told.since else ""
        rest = "; whatever else is wrong there is only counted for an hour" if name == _OTHERS else ""
        held[name] = _Told(now)
        log.log(level, "%s: %s%s%s", party, what, before, rest, exc_info=error)
        return True

    @contextmanager
    def looking(self, log: logging.Logger, party: str) -> Iterator[None]:
        """Tell of whatever fails within, a look at what has changed, and go on: the next change may be good."""
        try:
            yield
        except MirrorError as error:
            self.tell(log, party, _UNREAD.format(error), logging.ERROR)
        except Exception as error:
            self.tell(log, party, _UNREAD.format(f"unexpected {type(error).__name__}: {error}"), logging.ERROR, error)

    def _held(self, party: str) -> dict[str, _Told]:
        held = self._parties.setdefault(party, {})
        self._parties.move_to_end(party)
        if len(self._parties) > MAX_PARTIES:
            self._parties.popitem(last=False)
        return held

    def _name(self, held: dict[str, _Told], name: str) -> str:
        """Return under which name a fault is remembered: its own, while there is room for that."""
        if name in held:
            return name
        if len(held) >= MAX_EACH:
            late = self._clock() - AGAIN_S
            for one in [one for one, told in held.items() if one != _OTHERS and told.at <= late]:
                del held[one]
        return name if len(held) < MAX_EACH else _OTHERS
