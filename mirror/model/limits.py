"""How much of what a record may hold: limits that every node keeps, and that merging cannot break.

A cut has to be a join, or nodes would differ by the order in which versions came.  Cutting by bytes, or "the later one
whole", is none.  So the elements of a record, origins in its past, fields, an item's parts, are bounded in number, and
each in size when it is written; of too many the greatest by (edit, name) are kept.  What is among the greatest of all
is among the greatest of every subset that has it, so cutting early or late, here or there, leaves the same.  Elements
that must not drive each other out are of different classes, told apart by their names alone, each with its own number.
The sizes times the numbers are within what a head, a body and a batch can carry.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from mirror.model.errors import BadRecord

Element = TypeVar("Element")

MAX_NAME = 512
"""Bytes of UTF-8 in the name of a field or part."""
MAX_INT = (1 << 63) - 1


class Class(NamedTuple):
    """Elements that share a bound: what they are, how many are kept, and of how many bytes each."""

    holds: str
    count: int  # type: ignore[assignment]  # a tuple has a method of that name
    size: int


FIELDS = Class("fields", 128, 32 * 1024)
MARKS = Class("resolved conflicts", 16, 0)

AROUND = Class("the message around an item", 1, 512 * 1024)
LABELS = Class("subject, charset and encoding of a message", 3, 8 * 1024)
IDENTITIES = Class("events, tasks and journal entries of an item", 128, 512)
REVISIONS = Class("revisions", 128, 512)
TIMES = Class("times and recurrences", 128, 2 * 1024)
LISTS = Class("lines of exceptions", 48, 8 * 1024)
ENTRIES = Class("exceptions, categories and resources", 512, 256)
ANSWERS = Class("answers to invitations", 512, 32)
ALARMS = Class("alarms of events", 256, 2 * 1024)
ZONES = Class("time zones and other components", 16, 32 * 1024)
ZONES_KEPT = Class("time zones that were taken out", 16, 32 * 1024)
PICTURES = Class("pictures, keys and attachments", 4, 256 * 1024)
TEXTS = Class("long texts", 64, 16 * 1024)
PROPERTIES = Class("properties", 1024, 1024)
DEFAULTS = Class("lists that 0.1.0 edited", 256, 0)
PART_CLASSES = (
    *(
        AROUND,
        LABELS,
        IDENTITIES,
        REVISIONS,
        TIMES,
        LISTS,
        ENTRIES,
        ANSWERS,
        ALARMS,
        ZONES,
        ZONES_KEPT,
        PICTURES,
        TEXTS,
    ),
    *(PROPERTIES, DEFAULTS, MARKS),
)


def greatest(
    elements: Mapping[str, Element], class_of: Callable[[str], Class], order: Callable[[str, Element], Any]
) -> dict[str, Element]:
    """Keep of each class the greatest elements by (order, name), as many as it may have."""
    gone: set[str] = set()
    for class_, names in by_class(elements, class_of).items():
        if len(names) > class_.count:
            gone.update(sorted(names, key=lambda name: (order(name, elements[name]), name))[: -class_.count])
    return {name: element for name, element in elements.items() if name not in gone} if gone else dict(elements)


def by_class(names: Iterable[str], class_of: Callable[[str], Class]) -> dict[Class, list[str]]:
    """Return names by their classes."""
    classes: dict[Class, list[str]] = {}
    for name in names:
        classes.setdefault(class_of(name), []).append(name)
    return classes


def check_names(names: Iterable[str], where: str) -> None:
    """Raise BadRecord unless all names of fields or parts are of a length that every node takes."""
    for name in names:
        if len(name.encode()) > MAX_NAME:
            raise BadRecord(f"{where}: the name {name[:40]!r} has more than {MAX_NAME} bytes")
