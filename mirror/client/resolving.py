"""Conflicts of a pair, resolved in its folders: what is put there is sent by the next round, as every edit is.

Knows no wire.
"""

import difflib
from collections.abc import Callable, Iterable

from mirror.client.keeping import Tree
from mirror.client.place import Changed, Found
from mirror.client.state import Conflict, PairState
from mirror.formats.vdir_item import with_uid
from mirror.model.errors import MirrorError

MINE, THEIRS, BOTH = "mine", "theirs", "both"


class NoSuchConflict(MirrorError):
    """There is no conflict of that number."""

    exit_code = 12


def numbered(conflicts: Iterable[Conflict], number: int) -> Conflict:
    """Return the conflict of a number.  Raises NoSuchConflict."""
    for conflict in conflicts:
        if conflict.number == number:
            return conflict
    raise NoSuchConflict(f"there is no conflict {number}; 'ctdlmirror client conflicts' lists those there are")


def difference(conflict: Conflict) -> list[str]:
    """Return the lines in which two versions differ: those of ``theirs`` with -, those of ``mine`` with +."""
    theirs, mine = (_lines(text) for text in (conflict.theirs, conflict.mine))
    return list(difflib.unified_diff(theirs, mine, THEIRS, MINE, lineterm="", n=2))


def _lines(text: bytes | None) -> list[str]:
    return [] if text is None else text.decode("utf-8", "replace").splitlines()


def resolve(state: PairState, tree: Tree, conflict: Conflict, choice: str) -> str:
    """Have one version stand, or both, in the folder; returns what was done.  Raises PlaceError, OSError."""
    done = _keep_both(tree, conflict) if choice == BOTH else _take(state, tree, conflict, choice)
    with state.writing():
        state.drop_conflict(conflict.number)
    return done


def _take(state: PairState, tree: Tree, conflict: Conflict, choice: str) -> str:
    place = tree.place(conflict.folder)
    wanted = conflict.mine if choice == MINE else conflict.theirs
    found = _present(state, place.look, conflict)
    if wanted is None:
        if found is not None:
            place.delete(found)
        done = f"{conflict.folder}/{conflict.name} is deleted"
    elif found is None:
        made = place.create(conflict.name, wanted)
        done = f"{conflict.folder}/{made.name} is there again"
    else:
        if place.read(found) != wanted:
            place.replace(found, wanted)
        done = f"{conflict.folder}/{found.name} is as {choice} says"
    place.settle()
    return done


def _keep_both(tree: Tree, conflict: Conflict) -> str:
    """Write the version that does not stand as an item of its own."""
    lost = conflict.theirs if conflict.kept == MINE else conflict.mine
    if lost is None:
        raise Changed("one of the two is deleted, so there is nothing to keep beside: take mine or theirs")
    place = tree.place(conflict.folder)
    stem, dot, ending = conflict.name.rpartition(".")
    made = place.create(f"{stem}-kept{dot}{ending}", with_uid(lost, f"-kept-{conflict.number}"))
    place.settle()
    return f"{conflict.folder}/{made.name} is an item of its own now"


def _present(state: PairState, look: Callable[[], Iterable[Found]], conflict: Conflict) -> Found | None:
    """Return the file of a conflict's item as it is now, whatever it is called by now."""
    row = state.rows_by_key(conflict.room, [conflict.key]).get(conflict.key)
    name = row.name if row is not None else conflict.name
    return next((found for found in look() if found.name == name), None)
