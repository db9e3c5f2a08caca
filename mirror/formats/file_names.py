"""Names of files that every file system takes, made from names that people gave to things.  Text in, text out."""

import re
import unicodedata

MAX_BYTES = 200
"""Bytes of a name at most: 255 is what file systems take, and temporary names are longer than what they stand for."""
MAX_ENDING = 10
"""Letters of what is an ending, which stays when a name is cut."""
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)")


def safe_name(name: str, ending: str = "") -> str:
    """Return a name, with an ending, that is neither a path, hidden nor a device, wherever it is written.

    Two names may become one: see ``Distinct``.
    """
    text = _UNSAFE.sub("_", unicodedata.normalize("NFC", name)).encode("utf-8", "replace").decode().rstrip(". ")
    stem, dot, own = text.rpartition(".")
    if ending or not (stem and 0 < len(own) <= MAX_ENDING):
        stem, dot, own = text, "", ""
    tail = f"{dot}{own}{ending}"
    stem = stem.encode()[: MAX_BYTES - len(tail.encode()) - 1].decode(errors="ignore").rstrip(". ")
    if stem.startswith("."):
        stem = f"_{stem[1:]}"
    return f"{'' if stem and not _RESERVED.match(stem) else '_'}{stem}{tail}"


class Distinct:
    """Tells names apart that would be one file where neither case nor the form of letters counts."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def give(self, name: str) -> str:
        """Return the name, with a number in it where another thing has it already."""
        stem, dot, ending = name.rpartition(".")
        if not stem:
            stem, dot, ending = name, "", ""
        candidate, number = name, 1
        while _seen(candidate) in self._taken:
            number += 1
            candidate = f"{stem} ({number}){dot}{ending}"
        self._taken.add(_seen(candidate))
        return candidate


def _seen(name: str) -> str:
    return unicodedata.normalize("NFD", name).casefold()
