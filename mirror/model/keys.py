"""The keys of messages, items and files: made in one place, so one thing has one key by every way in.

An item is ``euid:`` and its exclusive id, a message ``id:`` and its message id.  A long id is cut, and a hash of the
whole is put behind it, so two that begin alike stay two.  A file is its name, in the composed form of its letters
(Unicode's NFC): it looks the same in every form.  So do users' and rooms' names, which are no keys but are looked up
by.  Values in, values out.
"""

import re
import unicodedata

from mirror.model.kinds import ITEM_PREFIX, parse_collection

MESSAGE_PREFIX = "id:"
"""Keys of messages without an exclusive id begin with this."""
MAX_ID = 900
"""Bytes of an id that is in its key as it is."""
CUT_ID = 400
"""Bytes that are left of a longer one."""
OLD_MAX_KEY, OLD_CUT_KEY = 900, 400
"""What 0.1.0 did: keys of more bytes than the one were cut to as many characters as the other."""

_FILED = re.compile(r"#[0-9a-f]{16}\Z")
"""What stands behind a message's key where another message of its id has that: its text (mirror.model.texts)."""
_CUT = re.compile(r"#[0-9a-f]{64}\Z")


def key_of_id(prefix: str, name: str) -> str:
    """Return the key of an item or message, by its prefix, that has this id.

    An id that ends as the keys of filed messages do is hashed as well, so nobody can take the one for the other.
    """
    if len(name.encode()) <= MAX_ID and not (prefix == MESSAGE_PREFIX and _FILED.search(name)):
        return prefix + name
    import hashlib  # few ids are that long, and starting a command should not wait for it

    kept = name.encode()[:CUT_ID].decode("utf-8", "ignore")
    return f"{prefix}{kept}#{hashlib.sha256(name.encode()).hexdigest()}"


def split_key(key: str) -> tuple[str, str]:
    """Return a message's plain key, and the text that it is filed under or an empty string."""
    filed = _FILED.search(key) if key.startswith(MESSAGE_PREFIX) else None
    return (key[: filed.start()], key[filed.start() + 1 :]) if filed else (key, "")


def without_text(key: str) -> str:
    """Return a key without the text that a message is filed under, also where it is the key of a mark of one."""
    return _FILED.sub("", key)


def filed_key(plain: str, text: str) -> str:
    """Return the key of a message whose plain key another message of its id has."""
    return f"{plain}#{text}"


def kept_key(collection: str, key: str) -> str:
    """Return the key under which something is kept that is called so: with its long id cut, or its name composed."""
    kind = parse_collection(collection).kind
    if kind == "messages":
        return bounded(key)
    return unicodedata.normalize("NFC", key) if kind == "files" else key


def bounded(key: str) -> str:
    """Return a message's or item's key with its id cut where that is too long."""
    for prefix in (ITEM_PREFIX, MESSAGE_PREFIX):
        name = key.removeprefix(prefix)
        if name != key and len(name.encode()) > MAX_ID:
            return key_of_id(prefix, name)
    return key


def compared(name: str) -> str:
    """Return what two names have in common that count as one: they differ in case, or in how letters are composed."""
    if name.isascii():  # as most names are: the rules for other letters change nothing in it
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def was_key_of(key: str, prefix: str, name: str) -> bool:
    """Tell whether 0.1.0 may have kept a thing of this id under a key: as a whole, or cut by characters."""
    whole = prefix + name
    return key == whole or (len(whole.encode()) > OLD_MAX_KEY and key == whole[:OLD_CUT_KEY])


def old_cut(key: str) -> str:
    """Return under which key 0.1.0 kept what was imported and has this cut key now; the key itself if it is not cut."""
    return key[:OLD_CUT_KEY] if _CUT.search(key) and key.isascii() else key
