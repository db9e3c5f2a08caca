"""Properties of cards, as they are written in another version of vCard.

Where two sides have a card in different versions (2.1, RFC 2426, RFC 6350) a card of both would be one of none.  So it
is that of one side, and what the other one edited is written as that version writes it: the properties of which that
can be said for sure, which are those that people edit.  A text says the same whichever way it came to a version.
"""

from typing import NamedTuple

from mirror.model.content_lines import Line, inside_of, raw_line
from mirror.model.names import AROUND_ITEM, DEFAULT, IDENTITY, NAME, REVISION, SETTLED, family, is_value, place_of
from mirror.model.transfer import QUOTED_PRINTABLE, Style, encode
from mirror.model.values import Parameters, lower, plain, said_by, split, upper

OLD, COMMON, NEW = "2.1", "3.0", "4.0"
_STRUCTURED = frozenset(("N", "ADR", "ORG", "NICKNAME", "CATEGORIES"))
_SURE = frozenset(
    ("TEL", "EMAIL", "NOTE", "TITLE", "ROLE", "URL", "BDAY", "FN", "X-ABLABEL", "X-ABADR", "LABEL", *_STRUCTURED)
)
"""Properties that every version has, and each says in a way that is known."""
VERSION = "VERSION"
_AS_THEY_ARE = (REVISION, IDENTITY, VERSION, *AROUND_ITEM)
"""Parts that say the same in every version as they stand."""
_WITH_COMMAS = ("N", "NICKNAME", "CATEGORIES")
"""Of these a comma separates values; in the others it belongs to them, and has to be escaped from 3.0 on."""


class _Said(NamedTuple):
    """A property as no version writes it: its label and name, parameters, the components of its value."""

    label: str
    name: str
    told: Parameters
    values: list[str]


def is_sure(name: str) -> bool:
    """Tell whether a part of a card can be written in any version."""
    if name in _AS_THEY_ARE or name.startswith(SETTLED) or place_of(name):
        return True
    return name == NAME or family(name).removesuffix(DEFAULT) in _SURE


def in_version(name: str, text: bytes, version: str, wanted: str) -> bytes:
    """Return the text of a part that is sure, of a card of one version, as another one writes it."""
    if name in _AS_THEY_ARE or place_of(name):
        return text
    lines = inside_of("VCARD", text, version == OLD).lines
    if is_value(name) or any(line.name not in _SURE for line in lines):
        return text
    return b"\n".join(_written(_said(line), wanted) for line in lines)


def version_of(text: bytes | None) -> str:
    """Return the version that a card says it is of."""
    told = (text or b"").partition(b":")[2].strip().decode("ascii", "replace")
    return told if told in (OLD, NEW) else COMMON


def _said(line: Line) -> _Said:
    told, value = said_by(line)
    rest = {name: held for name, held in told.items() if name not in ("ENCODING", "CHARSET", "VALUE")}
    if line.name == "TEL" and lower(value[:4]) == "tel:":
        value = value[4:]
    values = split(value, ";") if line.name in _STRUCTURED else [value]
    if line.name != "URL":
        values = [plain(one) for one in values]
    while len(values) > 1 and not values[-1]:
        values.pop()
    return _Said(line.group, line.name, rest, values)


def _written(said: _Said, version: str) -> bytes:
    name = f"{said.label}.{said.name}" if said.label else said.name
    head = name + "".join(_parameters(said.told, version))
    value = ";".join(_escaped(said.name, one, version) for one in said.values)
    if version != OLD:
        return raw_line(f"{head}:{value}")
    if value.isascii() and "\n" not in value:
        return f"{head}:{value}".encode()  # of a fold of 2.1 the blank would belong to the text
    data = value.replace("\n", "\r\n").encode("utf-8", "surrogateescape")
    written = encode(QUOTED_PRINTABLE, Style(len(data) * 3, b"\n", one_run=True), data).decode("ascii")
    return f"{head};ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:{written}".encode()


def _escaped(name: str, text: str, version: str) -> str:
    if name == "URL":
        return text
    special = "\\" + (";" if name in _STRUCTURED or version != OLD else "")
    if version != OLD and name not in _WITH_COMMAS:
        special += ","
    for one in special:
        text = text.replace(one, f"\\{one}")
    return text if version == OLD else text.replace("\n", "\\n")


def _parameters(told: Parameters, version: str) -> list[str]:
    made = []
    for name, held in sorted(told.items()):
        if name == "TYPE" and version == OLD:
            made += [f";{upper(one)}" for one in held]
        elif name == "TYPE":
            made += [f";TYPE={one}" for one in held]
        elif name == "PREF":
            made.append({OLD: ";PREF", COMMON: ";TYPE=pref", NEW: ";PREF=1"}[version])
        else:
            made.append(f";{name}={','.join(_quoted(one) for one in held)}")
    return made


def _quoted(value: str) -> str:
    return f'"{value}"' if any(one in value for one in ';:,"') else value
