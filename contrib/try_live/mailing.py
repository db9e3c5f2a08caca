"""What is to leave two servers by mail, and what did: how often what was mailed to whom."""

from collections import Counter
from collections.abc import Callable, Sequence

from try_live.catchall import CatchAll
from try_live.pair import OUTSIDE, Side, send_outside
from try_live.slips import forwarded_twice, noted_elsewhere
from try_live.waiting import look_until
from try_live.world import ADMINISTRATOR

MAILED_S = 420.0
"""Within so many seconds a server has mailed what it has to: it looks each few minutes."""
LOOK_S = 0.2

Mailed = Counter[tuple[str, str]]
"""How often what was mailed to whom: the last word of each subject, and the address."""


class Mailing:
    """Counts what leaves some servers against what has to."""

    def __init__(self, sides: Sequence[Side], mails: CatchAll, meanwhile: Callable[[], None] = lambda: None) -> None:
        """``meanwhile`` is done again and again while something is waited for; what it raises ends the waiting."""
        self._sides, self._mails, self._meanwhile = sides, mails, meanwhile
        self._wanted: Mailed = Counter()
        self._forwarded: dict[str, str] = {}
        self._noted_elsewhere: list[str] = []
        self._word = 0

    def next_word(self) -> str:
        """Return a word that nothing was called before."""
        self._word += 1
        return f"word{self._word}"

    def expect(self, word: str, *addresses: str) -> None:
        """Have what is called by a word be mailed once to each of some addresses."""
        self._wanted += Counter({(word, one): 1 for one in addresses})

    def expect_forwarded(self, word: str, address: str) -> None:
        """Have what is called by a word be forwarded once to an address, by somebody's rules."""
        self.expect(word, address)
        self._forwarded[word] = address

    def have_noted(self, side: Side, room: str, members: Sequence[str]) -> None:
        """Have a list note that it mailed all: where it noted that in another room it mails again, as it would later.

        Raises TrialFailed.
        """
        while words := noted_elsewhere(side.world.witness, room):
            self._noted_elsewhere.append(f"{side.name} noted in another room that it mailed {', '.join(words)}")
            for word in words:
                self.expect(word, *members)
            side.world.settle()
            self._until_mailed()

    def wait(self) -> None:
        """Wait until all was mailed that is to be, and what each running server sent after that has left as well.

        Raises TrialFailed.
        """
        self._until_mailed()
        for side in self._sides:
            if side.node.process is not None:
                word = self.next_word()
                send_outside(side.world, ADMINISTRATOR, word)
                self.expect(word, OUTSIDE)
        self._until_mailed()

    def wrongly(self) -> list[str]:
        """Return what was mailed more often than it is to be, but for what a server forwarded twice by itself."""
        more = self._counted() - self._wanted - Counter(self._forwarded_twice())
        return [f"{word} was mailed to {to} {count} times more" for (word, to), count in more.items()]

    @property
    def own(self) -> list[str]:
        """What servers mailed again by themselves."""
        forwarded = [f"{word} was forwarded twice by one server" for word, _ in self._forwarded_twice()]
        return [*self._noted_elsewhere, *forwarded]

    def _forwarded_twice(self) -> list[tuple[str, str]]:
        """Return what a server forwarded once more than it is to be, by itself."""
        return [one for one in self._forwarded.items() if forwarded_twice(self._mails.mails, *one)]

    def until(self, come: Callable[[], bool], why: Callable[[], str]) -> None:
        """Wait until something has come.  Raises TrialFailed with the reason where it does not."""

        def has_come() -> bool:
            if come():
                return True
            self._meanwhile()
            return False

        look_until(has_come, MAILED_S, lambda: f"{why()}: {self._left_there()}", LOOK_S)

    def _left_there(self) -> list[list[str]]:
        return [side.status().left_there for side in self._sides if side.node.process is not None]

    def _until_mailed(self) -> None:
        self.until(lambda: not self._missing(), lambda: f"not all is mailed: {self._missing()}")

    def _missing(self) -> Mailed:
        return self._wanted - self._counted()

    def _counted(self) -> Mailed:
        return Counter((mail.word, to) for mail in self._mails.mails for to in mail.to)
