"""A server looked over as a whole: copied into a store beside the node's, which is thrown away once it was compared."""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mirror.addresses import ServerPlace
from mirror.citadel.bootstrap import Place, Progress, copy_server
from mirror.citadel.door import ask_name
from mirror.citadel.looks.remembered import place_of
from mirror.citadel.meaning.declared import Expected
from mirror.citadel.meaning.keys import PAIRS, Keys, read_keys
from mirror.citadel.migr.report import Accepted
from mirror.citadel.verify import NOTHING, Comparing, Verified, declared_for
from mirror.formats.errors import CitadelError
from mirror.store.base import Reading
from mirror.store.open import Options, open_store

BY_ITSELF = "the account there is damaged, which nobody deleted"
BESIDE = "verifying-"
"""How a directory begins in which a server's copy is compared."""


def verify_server(
    ours: Reading,
    beside: Path,
    place: Place,
    user: str = "",
    password: str = "",
    *,
    node: str,
    directory: Path | None = None,
    keys: Keys | None = None,
    declared: Iterable[Expected] | None = None,
    exports: bool = False,
    things: Mapping[tuple[str, str], str] = NOTHING,
    made_anew: bool = False,
    copying: Progress | None = None,
    comparing: Callable[[int], None] | None = None,
) -> Verified:
    """Return where what is here of a server differs from what it has now.

    The copy is made in the directory ``beside``; ``node`` is this mirror's name, ``directory`` the server's own on this
    machine, where that is known; ``keys`` are those under which its things are here, where that is not remembered.
    ``declared``, ``things`` and ``made_anew`` are what may differ, as for ``Comparing``; without ``declared`` that
    follows from whether the server is followed, with ``exports`` again and again or without.
    Raises CitadelError where the server's export is not whole, and what ``copy_server`` does.
    """
    with tempfile.TemporaryDirectory(prefix=BESIDE, dir=beside) as scratch:
        store = open_store(Path(scratch), node, options=Options("ctdlmirror verify", durable=False))
        try:
            keys = keys or _remembered_keys(ours, place, user, password)
            taken = copy_server(
                store,
                place,
                user,
                password,
                directory=directory,
                accepted=Accepted(older=True, deletions=True, incomplete=True),
                progress=copying,
                keys=keys,
                held=ours,
            )
            if taken.report.why_incomplete:
                raise CitadelError(f"{place} cannot be compared: {taken.report.why_incomplete}")
            unseen = taken.fetched.refused if taken.fetched is not None else []
            server = taken.report.node
            may_differ = declared_for(ours, server, exports=exports) if declared is None else declared
            found = Comparing(ours, store, server, may_differ, things, made_anew, unseen, comparing).compare()
            found.unseen += [f"user {name}: {BY_ITSELF}" for name in taken.damaged]
            return found
        finally:
            store.close()


def _remembered_keys(ours: Reading, place: Place, user: str, password: str) -> Keys | None:
    """Return the keys of a server that shares things with others; None of another one, whose keys are its own."""
    if not ours.read(lambda reader: reader.digest(PAIRS).count):
        return None
    name = ask_name(ServerPlace(place, user), user, password)
    keys = ours.read(lambda reader: read_keys(reader, name, name.removeprefix(place_of(""))))
    return keys if keys.shares else None
