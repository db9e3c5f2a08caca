"""The trial of what acts: a list and inbox rules on two servers act once each, and move from one to the other and back.

Two servers are kept equal as in mirror's trial of a pair.  Each post is to be mailed to each member of a list once, and
each mail forwarded once, whichever server it came to and whichever is the home, also where one of them is lost.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from try_live.catchall import CatchAll
from try_live.errors import Refused, TrialFailed
from try_live.mailing import Mailing
from try_live.pair import Side, join, two_servers, wait_until_equal
from try_live.scenarios.deeds import (
    inbox_of,
    mail,
    make_list,
    make_room,
    make_user,
    post,
    rule,
    set_rules,
    subjects,
)
from try_live.session import Session
from try_live.world import MAIL, User

LIST, OTHER, VAULT = "Announcements", "Board", "Vault"
"""A room with a list, one without, and one for who was let in."""
SETTING, HELLO = "c_purge_hour|5", "Welcome to both.\n"
"""A setting and a system message that both servers share."""
EXPIRES = "3|300"
"""What expires on the first floor: what is older than so many days."""
MEMBERS = ("member@list.example.net", "digest@list.example.net")
FORWARDED = "ann@forwarded.example.net"
ANN = "ann"


class Step(NamedTuple):
    """One step: what it was, its seconds, and what was mailed otherwise than it should have been."""

    title: str
    seconds: float
    faults: list[str]


class FailedOver(NamedTuple):
    """What a trial found out."""

    version: str
    steps: list[Step]
    mails: int
    own: list[str]
    """What the servers mailed twice by themselves."""

    @property
    def faults(self) -> list[str]:
        return [f"{one.title}: {fault}" for one in self.steps for fault in one.faults]


class _Trial:
    """Carries the steps out, one after another."""

    def __init__(self, directory: Path, sides: Sequence[Side], mails: CatchAll, say: Callable[[str], None]) -> None:
        self._directory, self._say = directory, say
        self._mailing = Mailing(sides, mails, self._require_account)
        self.alpha, self.beta = sides
        self.steps: list[Step] = []

    @property
    def own(self) -> list[str]:
        return self._mailing.own

    def run(self) -> None:
        self._do("a list and rules on alpha, of which nothing old is mailed", self._begin)
        self._do("both paired: the list and the rules act on alpha alone", self._pair)
        self._do("posts on both are mailed by alpha, once", lambda: self._post_on(self.alpha, self.beta))
        self._do("moved to beta while both run", lambda: self._move_to(self.beta, self.alpha))
        self._do("posts on both are mailed by beta, once", lambda: self._post_on(self.alpha, self.beta))
        self._do("and back to alpha", lambda: self._move_to(self.alpha, self.beta))
        self._do("posts on both are mailed by alpha again", lambda: self._post_on(self.alpha, self.beta))
        self._do("alpha is lost, and beta takes over", self._lose)
        self._do("alpha comes back, and gives up what acts", self._come_back)
        self._do("posts on both are mailed by beta, whose they are now", lambda: self._post_on(self.alpha, self.beta))
        self._do("back to alpha", lambda: self._move_to(self.alpha, self.beta))
        self._do("and posts on both are mailed by alpha", lambda: self._post_on(self.alpha, self.beta))

    def _do(self, title: str, job: Callable[[], list[str] | None]) -> None:
        self._say(title)
        began = time.monotonic()
        faults = job() or []
        self.steps.append(Step(title, round(time.monotonic() - began, 1), [*faults, *self._mailing.wrongly()]))

    # -- steps --------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        admin = self.alpha.world.admin
        for room in (LIST, OTHER):
            make_room(self.alpha, room)
        post(self.alpha, LIST, *(f"history{number}" for number in range(3)))
        admin.ask(f"CONF PUTVAL|{SETTING}")
        (self.alpha.server.home / "messages" / "hello").write_text(HELLO)
        admin.ask("GOTO Lobby")
        admin.ask(f"SPEX floor|{EXPIRES}")
        make_user(self.alpha, ANN)
        admin.ask(f"CRE8 1|{VAULT}|3||0|0|0")
        admin.go(VAULT)
        admin.ask(f"INVT {ANN}")
        set_rules(self.alpha, ANN, rule(f"redirect||{FORWARDED}"))
        with self._as_ann(self.alpha) as session:
            session.go("Lobby")
            session.ask(f"VIEW {MAIL}")
        alias = f"roommailalias|{LIST.lower()}@alpha.example.org"
        make_list(self.alpha, LIST, f"listrecp|{MEMBERS[0]}", f"digestrecp|{MEMBERS[1]}", alias)

    def _pair(self) -> list[str]:
        join(self._directory, self.alpha, self.beta)
        self.beta.attach("--settings", "shared")
        wait_until_equal((self.alpha, self.beta))
        self._restart()
        alias = [line for line in self._lines(self.beta) if line.startswith("roommailalias|")]
        return [
            *self._where(self.alpha, self.beta),
            *([] if alias else ["beta was not given the alias of the room"]),
            *self._others(self.beta),
        ]

    def _others(self, side: Side) -> list[str]:
        """Return what is not there besides: who was let into a room, what expires on a floor."""
        faults = []
        with self._as_ann(side) as session:
            try:
                session.ask(f"GOTO {VAULT}")
            except Refused as error:
                faults.append(f"{ANN} was not let in: {error}")
            if (view := session.ask("GOTO Lobby||1").fields[11]) != str(MAIL):
                faults.append(f"the Lobby is shown to {ANN} as {view}")
        name, _, wanted = SETTING.partition("|")
        if (value := side.world.witness.ask(f"CONF GETVAL|{name}").fields[0]) != wanted:
            faults.append(f"{name} is {value}")
        if (hello := (side.server.home / "messages" / "hello").read_text()) != HELLO:
            faults.append(f"the system message 'hello' is {hello[:40]!r}")
        side.world.witness.go("Lobby")
        if (told := "|".join(side.world.witness.ask("GPEX floor").fields)) != EXPIRES:
            faults.append(f"on the first floor {told} expires")
        return faults

    def _post_on(self, *sides: Side) -> list[str]:
        """Post on each server in both rooms, and have a mail come to each for who forwards what comes in at home."""
        home = next(side for side in sides if self._acts(side))
        for side in sides:
            post(side, OTHER, self._mailing.next_word())
            word = self._mailing.next_word()
            post(side, LIST, word)
            self._mailing.expect(word, *MEMBERS)
        word, stays = self._mailing.next_word(), self._mailing.next_word()
        mail(home, ANN, word)
        self._mailing.expect_forwarded(word, FORWARDED)
        for side in sides:
            if side is not home:
                mail(side, ANN, stays)
        wait_until_equal(sides)
        self._restart()
        self._mailing.wait()
        self._mailing.have_noted(home, LIST, MEMBERS)
        lacking = [side.name for side in sides if stays not in subjects(side, inbox_of(side, ANN))]
        return [f"{stays} is not in the inbox on {name}" for name in lacking]

    def _move_to(self, there: Side, last: Side) -> list[str]:
        there.node.run("attach", "failover", there.name, "--yes")
        self._until(lambda: self._acts(there) and not self._acts(last), f"the list does not move to {there.name}")
        wait_until_equal((self.alpha, self.beta))
        self._restart()
        return self._where(there, last)

    def _lose(self) -> None:
        self.alpha.world.close()
        self.alpha.server.kill()
        self.alpha.node.kill()
        self.beta.node.run("attach", "failover", self.beta.name, "--lost", "--yes")
        self._until(lambda: self._acts(self.beta), "beta does not take over")
        word = self._mailing.next_word()
        post(self.beta, LIST, word)
        self._mailing.expect(word, *MEMBERS)
        self.beta.world.settle()
        self._mailing.wait()
        self._mailing.have_noted(self.beta, LIST, MEMBERS)

    def _come_back(self) -> list[str]:
        self.alpha.world.settle()
        self.alpha.node.start()
        self._until(lambda: not self._acts(self.alpha), "alpha does not give up what acts")
        wait_until_equal((self.alpha, self.beta))
        self._restart()
        return self._where(self.beta, self.alpha)

    # -- what is there ------------------------------------------------------------------------------------

    def _lines(self, side: Side) -> list[str]:
        side.world.witness.go(LIST)
        return [line for line in side.world.witness.lines("GNET") if line]

    def _rules(self, side: Side) -> list[str]:
        with self._as_ann(side) as session:
            return [line for line in session.lines("GIBR") if line.startswith("rule|")]

    def _as_ann(self, side: Side) -> AbstractContextManager[Session]:
        """Give a session of who forwards all."""
        return side.world.as_user(User(ANN, 0, 0))

    def _acts(self, side: Side) -> bool:
        """Tell whether anything acts on a server."""
        return bool(self._list_lines(side) or self._rules(side))

    def _list_lines(self, side: Side) -> list[str]:
        return [line for line in self._lines(side) if line.startswith(("listrecp|", "digestrecp|"))]

    def _where(self, home: Side, other: Side) -> list[str]:
        """Return what does not act at home, or acts on the other server."""
        faults = []
        if len(self._list_lines(home)) != len(MEMBERS) or not self._rules(home):
            faults.append(f"not all acts on {home.name}: {self._lines(home)}, {self._rules(home)}")
        if self._acts(other):
            faults.append(f"it acts on {other.name}, too: {self._lines(other)}, {self._rules(other)}")
        return faults

    def _until(self, come: Callable[[], bool], why: str) -> None:
        self._mailing.until(come, lambda: why)

    def _require_account(self) -> None:
        """Raise TrialFailed where a server lost who forwards: two of its threads may put an account back at once."""
        for side in (self.alpha, self.beta):
            if side.node.process is not None and not side.world.witness.ask(f"AGUP {ANN}").fields[0]:
                raise TrialFailed(f"{side.name} destroyed an account while it forwarded, as version 980 may: try again")

    def _restart(self) -> None:
        """Restart the servers: a list mails what it has to when its server starts, else each quarter of an hour."""
        for side in (self.alpha, self.beta):
            side.world.settle()


def run_failover(source: Path, directory: Path, say: Callable[[str], None]) -> FailedOver:
    """Carry the trial out in an empty directory; ``say`` is told of each step.  Raises TrialFailed, MirrorError."""
    with two_servers(source, directory, 1) as (sides, mails, _):
        trial = _Trial(directory, sides, mails, say)
        version = sides[0].server.version()
        trial.run()
        return FailedOver(version, trial.steps, len(mails.mails), trial.own)
