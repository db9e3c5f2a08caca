"""What a folder on a person's machine promises, whatever kind it is: a Maildir folder, a collection of a vdir.

Knows neither the wire, what is remembered of the two sides, nor what a file says.

What an adapter owes
--------------------
* **One folder is one room.**  ``look`` lists all that is in it now, in any order, and reads no file whose name or
  directory entry tells enough: it is called at each round, with 10 000 files and nothing changed.  What is no item
  (hidden files, ``displayname``, ``tmp/``) it leaves out.
* **Names stay.**  ``Found.name`` is the same for as long as the item is: of a Maildir's file what stands before
  ``:2,``, whichever of ``new`` and ``cur`` it is in.  ``Found.tag`` is another one whenever the bytes may be others,
  and the same while they certainly are the same.  What is told beside the bytes (a Maildir's flags) is ``Found.marks``
  and in no tag.
* **Writing is atomic.**  A file is complete under a name that ``look`` lists, or is not there: it is written under a
  name that ``look`` leaves out, fsynced, then renamed or linked.  Nothing is ever overwritten that was not expected:
  ``create`` takes another name where one is taken; ``replace``, ``mark`` and ``delete`` name what they were decided
  from, look just before and raise Changed where something else is there.  Their answer is what ``look`` will say.
* **Durable at ``settle``.**  When that returns, what was created, replaced, marked and deleted before outlives a power
  cut; what was created may be in place only then.  Only then is it noted that it was done, so whatever is killed
  repeats: the same item may be created twice by name, never be lost.
* **Gone is not deleted.**  A folder that is not there, or is no folder of that kind, is Missing, and nothing else is
  done.  ``identity`` tells a folder from another one of the same path: an unmounted disk's empty mount point, say.
* **It says what it keeps.**  ``keeps`` names the marks that it can keep; others are not sent to it and their absence
  says nothing.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple, Protocol

from mirror.model.errors import MirrorError

Marks = frozenset[str]
"""What is told of an item beside its bytes: ``seen``, ``answered``, ``flagged``, a keyword."""
NO_MARKS: Marks = frozenset()


class PlaceError(MirrorError):
    """A folder, or a file in it, cannot be used; the text names it."""


class Missing(PlaceError):
    """The folder is not there, or is none of its kind: what was in it was not deleted."""


class InUse(PlaceError):
    """Another client keeps this folder equal at this moment."""

    exit_code = 4


class Changed(PlaceError):
    """What is there is not what was looked at, or is gone: it is to be looked at anew."""


class Unusable(PlaceError):
    """One file cannot be read, or not be called so: it is told, and the others go on."""


def reason_of(error: Exception) -> str:
    """Return why something could not be done, in one line."""
    if isinstance(error, OSError):
        return f"{error.filename or 'this machine'}: {error.strerror or error}"
    return str(error)


class Found(NamedTuple):
    """One item as a folder lists it."""

    name: str
    tag: str
    marks: Marks = NO_MARKS


class Place(Protocol):
    """One folder that is kept equal with one room.  Any method may raise PlaceError or OSError."""

    @property
    def path(self) -> Path:
        """The folder, as it is named in what people are told."""

    @property
    def keeps(self) -> Collection[str]:
        """The marks that it can keep."""

    def identity(self) -> str:
        """Return what tells this folder from another one of the same path.  Raises Missing."""

    def state(self) -> str:
        """Return what is another text whenever ``look`` says something else; an empty one where that cannot be told.

        Raises Missing.
        """

    def look(self) -> Iterable[Found]:
        """List what is there now.  Raises Missing."""

    def size(self, found: Found) -> int:
        """Return how many bytes an item had when it was found."""

    def read(self, found: Found) -> bytes:
        """Return an item's bytes.  Raises Changed when they are no longer those that were found, and Unusable."""

    def create(self, wanted: str, data: bytes, marks: Marks = NO_MARKS, seconds: int = 0) -> Found:
        """Write a new item, under a name made from ``wanted`` that is free; ``seconds`` is its time (Unix), if any."""

    def replace(self, found: Found, data: bytes) -> Found:
        """Write other bytes in place of what was found; its name and marks stay.  Raises Changed."""

    def mark(self, found: Found, marks: Marks) -> Found:
        """Have an item bear just these marks, and those that it does not keep as they are.

        Raises Changed, and Unusable where it cannot be called so.
        """

    def delete(self, found: Found) -> None:
        """Delete what was found; what is gone already is no error.  Raises Changed where it is another one now."""

    def settle(self) -> None:
        """Return once all that was done before is on the disk."""

    def watched(self) -> Iterable[Path]:
        """Return the directories in which something changes whenever ``look`` would say something else."""
