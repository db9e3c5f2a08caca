"""Names in a Maildir: of messages, with flags behind ``:2,``, and of a Maildir++'s folders.  Text in, text out.

A message's name stays and its flags change.  Flags are marks that a user gave a message: capitals that all programs
know, and small letters, which a file beside the messages says what they mean (Dovecot's ``dovecot-keywords``).
"""

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mirror.formats.file_names import MAX_BYTES, safe_name
from mirror.model.marks import is_keyword

FLAGS = {"answered": "R", "draft": "D", "flagged": "F", "passed": "P", "seen": "S", "trashed": "T"}
"""Marks, and the flags that say them."""
KEYWORD_LETTERS = "abcdefghijklmnopqrstuvwxyz"
KEYWORDS_FILE = "dovecot-keywords"
"""In a mail folder, the lines ``number keyword`` that say which letter (0 is ``a``) is which keyword."""
_MARKS = {flag: mark for mark, flag in FLAGS.items()}
_INFO = ":2,"
_NOT_ASCII = re.compile(r"[^\x20-\x7e]+")
_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")
_KEYWORD_LINE = re.compile(r"(\d{1,2}) (\S.*)")
_CUT_BYTES = 150
_HASH_DIGITS = 12


# -- messages -----------------------------------------------------------------------------------------


class Name(NamedTuple):
    """A file's name in a Maildir: what stays, and the letters behind it."""

    unique: str
    flags: str = ""


def parse_name(file: str) -> Name:
    """Return the parts of a file's name; of other information than flags there are none."""
    unique, _, flags = file.partition(_INFO)
    return Name(unique, "".join(sorted(set(flags.partition(",")[0]))))


def file_name(unique: str, flags: str) -> str:
    """Return a file's name in ``cur``, with its flags in the order that programs expect."""
    return f"{unique}{_INFO}{''.join(sorted(set(flags)))}"


def message_name(collection: str, key: str, seconds: int, place: str) -> str:
    """Return the name of a message's file, the same each time; ``seconds`` is Unix time, ``place`` whose it is."""
    digest = hashlib.sha256(f"{collection} {key}".encode()).hexdigest()[:24]
    return f"{seconds}.{digest}.{safe_name(place)}"


def marks_of(flags: str, keywords: Mapping[str, str]) -> frozenset[str]:
    """Return the marks that letters stand for; ``keywords`` are those of a folder, by letter.  Others say nothing."""
    known = {**_MARKS, **keywords}
    return frozenset(known[letter] for letter in flags if letter in known)


def flags_of(marks: Iterable[str], keywords: Mapping[str, str], there: str = "") -> str:
    """Return the letters for marks, and those ``there`` that stand for no mark, in their order.

    Marks for which there is no letter are left out.
    """
    letters = {**FLAGS, **{keyword: letter for letter, keyword in keywords.items()}}
    unknown = {letter for letter in there if letter not in _MARKS and letter not in keywords}
    return "".join(sorted({letters[mark] for mark in marks if mark in letters} | unknown))


def parse_keywords(text: str) -> dict[str, str]:
    """Return keywords by their letters, from the text of a folder's KEYWORDS_FILE; other lines say nothing."""
    lines = (_KEYWORD_LINE.fullmatch(line.strip()) for line in text.splitlines())
    found = ((int(line[1]), line[2]) for line in lines if line)
    return {
        KEYWORD_LETTERS[number]: word for number, word in found if number < len(KEYWORD_LETTERS) and is_keyword(word)
    }


def format_keywords(keywords: Mapping[str, str]) -> str:
    """Return the text of a folder's KEYWORDS_FILE."""
    return "".join(f"{KEYWORD_LETTERS.index(letter)} {keyword}\n" for letter, keyword in sorted(keywords.items()))


def with_keywords(keywords: Mapping[str, str], wanted: Iterable[str]) -> dict[str, str]:
    """Return a folder's keywords with letters given to those wanted that have none, as long as there are letters."""
    new = sorted(set(wanted) - set(keywords.values()) - FLAGS.keys())
    free = [letter for letter in KEYWORD_LETTERS if letter not in keywords]
    return {**keywords, **dict(zip(free, new, strict=False))}


# -- folders ------------------------------------------------------------------------------------------


def maildir_folder(name: str) -> str:
    """Return a mail folder's directory in a Maildir++: ``/`` in its name parts folders, what is not ASCII is encoded.

    As RFC 3501 section 5.1.3 has it, which is what mail servers read; letters are composed (NFC), however they came.
    A dot is an underscore, and a long name is cut, with a hash of the whole behind it: two names may become one.
    """
    parts = [_modified_utf7(part.replace(".", "_")) for part in unicodedata.normalize("NFC", name).split("/")]
    directory = f".{'.'.join(part for part in parts if part.strip()) or '_'}"
    if len(directory) <= MAX_BYTES:
        return directory
    digest = hashlib.sha256(unicodedata.normalize("NFC", name).encode("utf-8", "replace")).hexdigest()[:_HASH_DIGITS]
    kept = directory[:_CUT_BYTES]
    whole = kept if kept.rfind("&") <= kept.rfind("-") else kept[: kept.rfind("&")]
    return f"{whole.rstrip('. ')}#{digest}"


def folder_name(directory: str) -> str:
    """Return the name of the mail folder that a Maildir++'s directory is: dots part folders, letters are composed.

    What is no modified UTF-7 is taken as it stands, as a person may have made it.
    """
    parts = (_decoded(part) for part in directory.removeprefix(".").split("."))
    return unicodedata.normalize("NFC", "/".join(part for part in parts if part))


def _modified_utf7(text: str) -> str:
    return _NOT_ASCII.sub(_encoded, text.replace("&", "&-"))


def _encoded(found: re.Match[str]) -> str:
    data = base64.b64encode(found[0].encode("utf-16-be", "replace")).decode().rstrip("=")
    return f"&{data.replace('/', ',')}-"


def _decoded(part: str) -> str:
    def shifted(found: re.Match[str]) -> str:
        letters = found[1].replace(",", "/")
        return base64.b64decode(letters + "=" * (-len(letters) % 4)).decode("utf-16-be") if letters else "&"

    try:
        text = _SHIFTED.sub(shifted, part)
    except ValueError:
        return part
    return text if _modified_utf7(text) == part else part
