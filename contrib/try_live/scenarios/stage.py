"""The two servers and nodes that scenarios are carried out on, one after another.

A scenario makes rooms and users of its own, so it finds nothing of those before it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mirror.cli.processes import stop_all
from try_live.catchall import CatchAll
from try_live.changing import Told
from try_live.mailing import Mailing
from try_live.pair import EQUAL_S, Side, join, two_servers, wait_until_equal
from try_live.waiting import look_until


class Stage:
    """Two servers that are kept equal; mail that leaves them is caught."""

    def __init__(self, directory: Path, sides: list[Side], mails: CatchAll, told: Told) -> None:
        """``directory`` is for files of scenarios; ``told`` writes into the list of all that is done."""
        self.directory, self.told = directory, told
        self.alpha, self.beta = self.sides = sides
        self.mailing = Mailing(sides, mails)

    def settle(self, *, marks: bool = False) -> None:
        """Wait until all that was done on either server is on both, also what users read where ``marks`` says so.

        Raises TrialFailed.
        """
        wait_until_equal(self.sides, marks=marks)

    def until(self, come: Callable[[], bool], otherwise: str) -> None:
        """Wait until something has come.  Raises TrialFailed with the text where it does not."""
        look_until(come, EQUAL_S, lambda: f"{otherwise} within {EQUAL_S:g} s")

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Have neither node know of what is done meanwhile until all of it is done; then wait until all is on both."""
        with self.away(*self.sides):
            yield
        self.settle()

    @contextmanager
    def away(self, *sides: Side) -> Iterator[None]:
        """Have the nodes of some servers be stopped meanwhile."""
        stop_all([side.node for side in sides])
        yield
        for side in sides:
            side.node.start()


@contextmanager
def make_stage(source: Path, directory: Path) -> Iterator[Stage]:
    """Give two servers without data, paired, in a new directory.  Raises TrialFailed, MirrorError."""
    directory.mkdir(mode=0o711)
    with two_servers(source, directory, seed=1) as (sides, mails, told):
        join(directory, *sides)
        wait_until_equal(sides)
        for side in sides:
            side.restart()  # it does no housekeeping after an export
        yield Stage(directory, sides, mails, told)
