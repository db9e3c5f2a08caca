"""The ledger: all rules of writing as one object, which is the Writer of a job.

A backend has the tables (mirror.store.tables) and this class's rules on top of them, so all keep the same promises.
Each rule is in the module of its concern; nothing is decided here.
"""

from mirror.store.ledger.admitting import Admitting
from mirror.store.ledger.renewing import Renewing
from mirror.store.ledger.repairing import Repairing
from mirror.store.ledger.resolving import Resolving


class Ledger(Resolving, Admitting, Repairing, Renewing):
    """A Writer over tables; lives as long as the connection it writes to."""
