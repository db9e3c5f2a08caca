"""Settings as declared structs: read from TOML tables with errors that name the place, written with their comments.

A struct is a section of a file; each field says with its type what it may be, and with a Doc what is said of it.  Knows
neither files nor what the settings are for.
"""

import json
import textwrap
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args, get_origin

import msgspec

WIDTH = 118
"""Characters in a line of comment at most."""
SHOWN = 80
"""Characters of a wrong value that an error shows."""

T = TypeVar("T", bound=msgspec.Struct)


class Doc(NamedTuple):
    """What the template says of a setting.  Without text it stands under the comment of the setting before it.

    ``example`` is the value shown where the setting is just an example.
    """

    text: str = ""
    example: object = ""


class BadSetting(ValueError):
    """A setting that cannot be used: its text says which one and what was expected, but not in which file."""


Hook = Callable[[type, object], object]
"""Makes a value of a type of our own from what stands in a file; raises ValueError."""


def read_table(table: object, kind: type[T], where: str, hook: Hook) -> T:
    """Return a section of a file as its struct.  ``where`` names the section in errors.  Raises BadSetting."""
    if not isinstance(table, dict):
        raise BadSetting(f"{where}: {_shown(table)} is there, a table of settings was expected")
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    if unknown := table.keys() - fields.keys():
        raise BadSetting(f"{where} {named(min(unknown))} is no setting; known are {', '.join(sorted(fields))}")
    for name, field in fields.items():
        if field.required and name not in table:
            raise BadSetting(f"{where} {name} is missing: {expected(field.type)} was expected")
    return kind(
        **{name: read_value(value, fields[name].type, f"{where} {name}", hook) for name, value in table.items()}
    )


def read_value(value: object, kind: Any, where: str, hook: Hook) -> Any:
    """Return a value as what is declared for it.  Raises BadSetting."""
    try:
        return msgspec.convert(value, kind, dec_hook=hook)
    except msgspec.ValidationError:
        raise BadSetting(f"{where} = {_shown(value)}: {expected(kind)} was expected") from None


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def named(key: object) -> str:
    """Return a name from a file as an error shows it: short, and in one line."""
    text = str(key)[:SHOWN]
    return text if text.isprintable() else repr(text)


def expected(kind: Any) -> str:
    """Return in words what a declared type takes: its description, the words it allows, or its kind."""
    for meta in _extras(kind, msgspec.Meta):
        if meta.description:
            return str(meta.description)
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    if get_origin(plain) is Literal:
        return either(get_args(plain))
    return "true or false" if plain is bool else "a text"


def either(words: tuple[str, ...]) -> str:
    """Return words as a list to choose from: ``a, b or c``."""
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _extras(kind: Any, wanted: type) -> list[Any]:
    """Return what a type is annotated with, of one class."""
    return [extra for extra in get_args(kind)[1:] if isinstance(extra, wanted)] if get_origin(kind) is Annotated else []


# -- writing ------------------------------------------------------------------------------------------


def write_table(name: str, section: msgspec.Struct) -> Iterator[str]:
    """Yield the lines of a section with its values, each setting under its comment."""
    yield f"[{name}]"
    for field in msgspec.structs.fields(section):
        for doc in _extras(field.type, Doc):
            yield from comment(doc.text)
        yield f"{field.name} = {_toml(getattr(section, field.name))}"


def write_example(name: str, kind: type[msgspec.Struct]) -> Iterator[str]:
    """Yield the lines of one table of an array, commented out: what it can hold, with examples."""
    yield f"# [[{name}]]"
    documented = [(field.name, doc) for field in msgspec.structs.fields(kind) for doc in _extras(field.type, Doc)]
    lines = [f"# {key} = {_toml(doc.example)}" for key, doc in documented]
    column = max(map(len, lines)) + 3
    for line, (_, doc) in zip(lines, documented, strict=True):
        yield f"{line:{column}}# {doc.text}".rstrip() if doc.text else line


def comment(text: str) -> list[str]:
    """Return a text as lines of comment."""
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(_toml(one) for one in value)}]"
    return repr(value) if isinstance(value, int | float) else json.dumps(str(value), ensure_ascii=False)
