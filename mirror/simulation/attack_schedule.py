"""A short schedule in which one known attack is made, and all must hold that holds after any hostile party.

The seed decides which attack it is, in turn, and all the rest: what users write meanwhile, and what the network does.
"""

from collections.abc import Callable

from mirror.simulation.attacks import ATTACKS, Attacker
from mirror.simulation.hostile_schedule import PARTNER, TROUBLE_MS, HostileSchedule
from mirror.simulation.presence import ask_over
from mirror.simulation.stage import START_MS, Outcome

ATTACK_AT_MS = 1500
"""When it is made (virtual milliseconds after the beginning)."""


class AttackSchedule(HostileSchedule):
    """Runs one seed.  Use once."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._attack = ATTACKS[seed % len(ATTACKS)]
        self.stage.outcome.faults = [self._attack.__name__]
        self._on = Attacker(self.stage, self.by_name, self._bring_up, self.machines.copy)
        for node in self.stage.nodes:
            node.ask = ask_over(self.stage.network, node)
        self.excused = self._on.excused

    def _drawn_parties(self) -> list[Callable[[], None]]:
        return [self._attacker]

    def _drawn_names(self) -> list[str]:
        return ["a1", "a2", PARTNER]

    def _invents_origins(self) -> bool:
        return True  # where it must not, the attack says so itself

    def run(self) -> Outcome:
        """Run it to its end."""
        self._begin()
        self.stage.world.run(START_MS + TROUBLE_MS)
        if self.stage.outcome.problems:
            return self.stage.end()  # what is wrong already gets no better
        self._replicate_beside_them()
        self._leave()
        self._settle()
        self.honest.judge(self._invents_origins())
        self.stage.outcome.problems += filter(None, (expected() for expected in self._on.expected))
        return self.stage.end()

    def _attacker(self) -> None:
        self.stage.ledger.revivals = False  # a mirror may write whatever a mirror may
        self.stage.ledger.strangers = True
        self.stage.world.spawn(self._make_it, lambda: self.here)

    def _make_it(self) -> None:
        self.stage.world.sleep(ATTACK_AT_MS)
        self._attack(self._on)


def run_attack_seed(seed: int) -> Outcome:
    """Run the schedule of one seed."""
    return AttackSchedule(seed).run()
