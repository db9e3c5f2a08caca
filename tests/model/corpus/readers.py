"""Which of two public libraries read an item, and whether one of them finds that all that has to stand once does."""

from collections.abc import Callable

import icalendar
import vobject


def _icalendar(text: bytes) -> bool:
    item = icalendar.Component.from_ical(text)
    return not any(component.errors for component in item.walk())


def _vobject(text: bytes) -> bool:
    return vobject.readOne(text.decode(), allowQP=True) is not None


def _vobject_writes(text: bytes) -> bool:
    return bool(vobject.readOne(text.decode(), allowQP=True).serialize())


READERS: dict[str, Callable[[bytes], bool]] = {
    "icalendar": _icalendar,
    "vobject": _vobject,
    "vobject, when it validates": _vobject_writes,
}


def readers_of(text: bytes) -> set[str]:
    """Return the names of those that can read a text."""
    return {name for name, read in READERS.items() if _reads(read, text.replace(b"\n", b"\r\n"))}


def _reads(read: Callable[[bytes], bool], text: bytes) -> bool:
    try:
        return read(text)
    except (ValueError, KeyError, AttributeError, IndexError, TypeError, vobject.base.VObjectError):
        return False
