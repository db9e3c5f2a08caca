"""Values and parameters of properties in the form that all ways to write them have in common.

By the types of RFC 5545 section 3.3 and RFC 6350 section 4; what has none that is known is text.  What names of parts
are made of must come out the same on every node, so only letters of ASCII are made small: other tables change with the
version of Unicode.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

from mirror.model.charset import in_charset
from mirror.model.content_lines import Line
from mirror.model.memory import kept_of_small
from mirror.model.spans import span
from mirror.model.transfer import QUOTED_PRINTABLE, decode

_PARAMETER = re.compile(r';([A-Za-z0-9_-]+)(?:=((?:"[^"]*"|[^";:])*))?')
_VALUES = re.compile(r'"([^"]*)"|([^",]+)')
_ESCAPE = re.compile(r"\\([nN,;:\\])")
_CARET = re.compile(r"\^([n'^])")
_NUMBER = re.compile(r"([+-]?)0*(\d+)(?:\.(\d*))?", re.ASCII)
_OFFSET = re.compile(r"([+-]\d{4})(?:00)?", re.ASCII)
_SEPARATORS = re.compile(r"[\s().\-/]", re.ASCII)
_ZONE_PREFIX = re.compile(r"/[^/]+/(?:[^/]*\d[^/]*/|Tzfile/)?", re.ASCII)
_LOWER = {ord(letter): ord(letter) + 32 for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_UPPER = {small: letter for letter, small in _LOWER.items()}

Parameters = dict[str, list[str]]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ENUMERATED = _words(
    "CUTYPE ENCODING FBTYPE PARTSTAT RANGE RELATED RELTYPE ROLE RSVP TYPE VALUE CHARSET LANGUAGE DISPLAY "
    "SCHEDULE-AGENT SCHEDULE-FORCE-SEND SCHEDULE-STATUS"
)
_ADDRESSES = _words("SENT-BY MEMBER DELEGATED-FROM DELEGATED-TO")
_UNDERSTOOD = {
    "CUTYPE": "individual",
    "ENCODING": "8bit",
    "FBTYPE": "busy",
    "PARTSTAT": "needs-action",
    "RELATED": "start",
    "RELTYPE": "parent",
    "ROLE": "req-participant",
    "RSVP": "false",
    "CHARSET": "utf-8",
}
"""What a parameter says where it is not there."""
_BARE = {
    **dict.fromkeys(("QUOTED-PRINTABLE", "BASE64", "B", "7BIT", "8BIT"), "ENCODING"),
    **dict.fromkeys(("INLINE", "URL", "URI", "CONTENT-ID", "CID"), "VALUE"),
}
"""Parameters of vCard 2.1 that stand without their names; all others are types."""
_USUAL_TYPES = {"EMAIL": "internet", "TEL": "voice"}
_TIMES = _words("DTSTART DTEND DUE RECURRENCE-ID EXDATE RDATE COMPLETED CREATED DTSTAMP LAST-MODIFIED ACKNOWLEDGED")
_USUAL_VALUES = {**dict.fromkeys(_TIMES, "date-time"), "TRIGGER": "duration", "ATTACH": "uri"}
_CARD_PROPERTIES = _words(
    "ADR ANNIVERSARY BDAY EMAIL FN GENDER IMPP KIND LANG MEMBER N NICKNAME NOTE ORG RELATED ROLE TEL TITLE TZ URL"
)
"""Properties of cards whose VALUE follows from what they are, whatever their version says it is."""


# -- values -------------------------------------------------------------------------------------------


def lower(text: str) -> str:
    """Return text with small letters, of ASCII alone."""
    return text.lower() if text.isascii() else text.translate(_LOWER)


def upper(text: str) -> str:
    """Return text in capitals, of ASCII alone."""
    return text.upper() if text.isascii() else text.translate(_UPPER)


def plain(text: str) -> str:
    """Return TEXT without its escapes."""
    return _ESCAPE.sub(lambda found: "\n" if found[1] in "nN" else found[1], text) if "\\" in text else text


def split(text: str, separator: str) -> list[str]:
    """Return text cut at a separator, where that is not escaped."""
    if "\\" not in text:
        return text.split(separator)
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == separator:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def _structured(value: str) -> str:
    parts = ["\x1f".join(plain(one) for one in split(part, ",")) for part in split(value, ";")]
    return "\x1e".join(parts).rstrip("\x1e")


def _listed(value: str) -> str:
    return "\x1f".join(sorted(plain(one).strip() for one in split(value, ",")))


def _enumerated(value: str) -> str:
    return upper(value.strip())


def _number(value: str) -> str:
    found = _NUMBER.fullmatch(value.strip())
    if not found:
        return value
    fraction = (found[3] or "").rstrip("0")
    whole = found[2] + (f".{fraction}" if fraction else "")
    return "-" + whole if found[1] == "-" and whole != "0" else whole


def _numbers(value: str) -> str:
    return ";".join(_number(one) for one in value.split(";"))


def moments(value: str) -> str:
    """Return a date or time, or several, in the basic form of ISO 8601."""
    return ",".join(sorted(upper(one.strip()).replace("-", "").replace(":", "") for one in value.split(",")))


def _duration(value: str) -> str:
    found = span(value)
    return upper(value.strip()) if found is None else f"{found.days}d{found.seconds}s"


def _rule(value: str) -> str:
    parts = {}
    for part in upper(value.strip()).split(";"):
        name, _, held = part.partition("=")
        parts[name.strip()] = ",".join(sorted(_rule_value(name, one.strip()) for one in held.split(",")))
    for name, usual in (("INTERVAL", "1"), ("WKST", "MO"), ("", "")):
        if parts.get(name) == usual:
            del parts[name]
    return ";".join(f"{name}={held}" for name, held in sorted(parts.items()))


def _rule_value(name: str, value: str) -> str:
    if name == "BYDAY":
        return _number(value[:-2]) + value[-2:] if value[:-2] else value
    return value if name in ("FREQ", "WKST", "UNTIL") else _number(value)


def address(value: str) -> str:
    """Return a calendar user's address."""
    value = lower(value.strip())
    scheme, colon, rest = value.partition(":")
    if not colon and "@" in value:
        return f"mailto:{value}"
    return f"{scheme}:{rest.strip()}" if colon else value


def _phone(value: str) -> str:
    value = plain(value).strip()
    return lower(_SEPARATORS.sub("", value[4:] if lower(value[:4]) == "tel:" else value))


def _mail(value: str) -> str:
    return lower(plain(value).strip()).removeprefix("mailto:")


def _offset(value: str) -> str:
    found = _OFFSET.fullmatch(value.strip())
    return found[1] if found else value


def _uri(value: str) -> str:
    scheme, colon, rest = value.strip().partition(":")
    return f"{lower(scheme)}:{rest}" if colon else value.strip()


def _identifier(value: str) -> str:
    value = value.strip()
    return lower(value[9:]) if lower(value[:9]) == "urn:uuid:" else value


def _member(value: str) -> str:
    value = _identifier(value)
    return address(value) if lower(value[:7]) == "mailto:" else _uri(value)


def zone(value: str) -> str:
    """Return a time zone's name without what some programs put before it."""
    return _ZONE_PREFIX.sub("", value.strip(), count=1) if value.strip().startswith("/") else value.strip()


_TYPES: dict[str, Callable[[str], str]] = {
    **dict.fromkeys(_words("N ADR ORG GENDER REQUEST-STATUS"), _structured),
    **dict.fromkeys(_words("CATEGORIES RESOURCES NICKNAME"), _listed),
    **dict.fromkeys(_words("STATUS CLASS TRANSP ACTION METHOD CALSCALE KIND BUSYTYPE"), _enumerated),
    **dict.fromkeys(_words("SEQUENCE PRIORITY PERCENT-COMPLETE REPEAT"), _number),
    **dict.fromkeys([*_TIMES, *_words("BDAY ANNIVERSARY DEATHDATE REV X-ABDATE X-ANNIVERSARY")], moments),
    **dict.fromkeys(_words("DURATION TRIGGER"), _duration),
    **dict.fromkeys(_words("RRULE EXRULE"), _rule),
    **dict.fromkeys(_words("ATTENDEE ORGANIZER CALADRURI"), address),
    **dict.fromkeys(_words("TZOFFSETFROM TZOFFSETTO"), _offset),
    **dict.fromkeys(_words("URL ATTACH SOURCE IMAGE CONFERENCE IMPP FBURL CALURI TZURL"), _uri),
    **dict.fromkeys(_words("UID RELATED-TO"), _identifier),
    **dict.fromkeys(_words("MEMBER X-ADDRESSBOOKSERVER-MEMBER RELATED"), _member),
    "TZID": zone,
    "TEL": _phone,
    "EMAIL": _mail,
    "GEO": _numbers,
}


def value_of_type(name: str, value: str) -> str:
    """Return the value of a property of that name."""
    return _TYPES.get(name, plain)(value)


# -- lines --------------------------------------------------------------------------------------------


def parameters(line: Line) -> Parameters:
    """Return a property's parameters and their values, without what would be understood without them."""
    head = line.text[: len(line.text) - len(line.value) - 1]
    start = head.find(";")
    return _parameters(line.name, head[start:]) if start >= 0 else {}


@kept_of_small
def _parameters(property_name: str, written: str) -> Parameters:
    found: Parameters = {}
    for name, held in _PARAMETER.findall(written):
        name = upper(name)
        values = [_uncareted(quoted or bare).strip() for quoted, bare in _VALUES.findall(held)]
        if not held:
            name, values = _BARE.get(name, "TYPE"), [name]
        found.setdefault(name, []).extend(one for value in values for one in _parameter(name, value))
    return {name: sorted(set(held)) for name, held in _unusual(property_name, found).items()} if found else found


def _uncareted(text: str) -> str:
    """Return a parameter's value without the escapes of RFC 6868."""
    return _CARET.sub(lambda found: {"n": "\n", "'": '"', "^": "^"}[found[1]], text) if "^" in text else text


def _parameter(name: str, value: str) -> Iterable[str]:
    if name in _ENUMERATED:
        return [one.strip() for one in lower(value).split(",")]
    if name in _ADDRESSES:
        return [address(value)]
    return [zone(value)] if name == "TZID" else [value]


def _unusual(name: str, found: Parameters) -> Parameters:
    """Return parameters without what would be understood."""
    types = found.get("TYPE", [])
    if "PREF" in found or "pref" in types:
        found["PREF"] = ["1"]
    if types:
        found["TYPE"] = [one for one in types if one not in ("pref", _USUAL_TYPES.get(name))]
    if "ENCODING" in found:
        found["ENCODING"] = ["b" if one == "base64" else one for one in found["ENCODING"]]
    if name in _CARD_PROPERTIES or (name in _TIMES and found.get("VALUE") in (["date"], ["date-time"])):
        found.pop("VALUE", None)  # which of these it is can be seen
    understood = {**_UNDERSTOOD, "VALUE": _USUAL_VALUES.get(name, "text")}
    return {name: held for name, held in found.items() if held and held != [understood.get(name)]}


def said_by(line: Line) -> tuple[Parameters, str]:
    """Return a property's parameters and its value as it stands there, of which quoted-printable is decoded."""
    told = parameters(line)
    if told.get("ENCODING") != [QUOTED_PRINTABLE]:
        return told, line.value
    data = decode(QUOTED_PRINTABLE, line.value.encode("utf-8", "surrogateescape")) or b""
    value = in_charset((told.get("CHARSET") or ["utf-8"])[0], data)
    if value is None:
        return told, line.value
    rest = {name: held for name, held in told.items() if name not in ("ENCODING", "CHARSET")}
    return rest, value.replace("\r\n", "\n")


def meaning_of(line: Line) -> str:
    """Return what a line says, the same for all lines that say so."""
    return _meaning_of(line.name, line.text)


@lru_cache(maxsize=8192)
def _meaning_of(name: str, text: str) -> str:
    told, value = said_by(Line(name, b"", text))
    parameter = "".join(f";{one}={','.join(held)}" for one, held in sorted(told.items()))
    if told.get("ENCODING") == ["b"]:
        return f"{name}{parameter}:{''.join(value.split())}"
    return f"{name}{parameter}:{value_of_type(name, value)}"
