"""The rules in a room's lines: what is shared with whom, under which name, in which direction.

    ignet_push_share|NODE                      as IGNET had it: new messages, to a node that has the room too
    ignet_push_share|NODE|REMOTE ROOM
    mirror_share|NODE|REMOTE ROOM|name=value|...

Grammar and examples: docs/netconf.md.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import unquote

from netconf.errors import NetconfError
from netconf.lines import CHECKS, IGNET_SHARE, LAST_SENT, MAX_BYTES, MIRROR_SHARE, NODE_NAME, Line, parse_lines
from netconf.selection import Selection

MESSAGES, DELETIONS, MARKS, FILES, SETTINGS = "messages", "deletions", "marks", "files", "settings"
WHAT = (MESSAGES, DELETIONS, MARKS, FILES, SETTINGS)
DEFAULT_WHAT = (MESSAGES, DELETIONS)
DIRECTIONS = {"push": (True, False), "pull": (False, True), "both": (True, True)}
MAX_NAME = 127
"""Bytes in a room's name, as Citadel stores it."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AGES = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class Rule(NamedTuple):
    """One room shared with one node.  ``remote`` is the room's name there, empty where it is the same."""

    node: str
    remote: str = ""
    pushes: bool = True
    pulls: bool = True
    what: frozenset[str] = frozenset(DEFAULT_WHAT)
    selection: Selection = Selection()
    ignet: bool = False

    @property
    def direction(self) -> str:
        return next((name for name, both in DIRECTIONS.items() if both == (self.pushes, self.pulls)), "none")


# -- reading ------------------------------------------------------------------------------------------


def read_rules(body: bytes) -> list[Rule]:
    """Return the rules of a configuration.  Raises NetconfError at the first line that cannot be obeyed."""
    lines = parse_lines(body)
    return [rule for _, rule in _rules(lines)]


def check(body: bytes) -> list[NetconfError]:
    """Return everything that is wrong with a configuration; unknown lines are not."""
    if len(body) > MAX_BYTES:
        return [NetconfError(1, "all", f"{len(body)} bytes", f"a room's configuration has at most {MAX_BYTES}")]
    problems: list[NetconfError] = []
    lines = parse_lines(body)
    known: dict[str, int] = {}
    for line in lines:
        try:
            if line.kind in CHECKS:
                CHECKS[line.kind](line)
            for number, rule in _rules([line]):
                _refuse_second(known, rule.node, number)
        except NetconfError as error:
            problems.append(error)
    return problems


def _refuse_second(known: dict[str, int], node: str, number: int) -> None:
    first = known.setdefault(node, number)
    if first != number:
        raise NetconfError(
            number, "field 1 (node)", f"line {first} shares this room with {node} already", "keep one of the two lines"
        )


def read_last_sent(lines: Sequence[Line]) -> int:
    """Return the number that ``lastsent`` says, or 0."""
    numbers = [line.field(1) for line in lines if line.kind == LAST_SENT]
    return max((int(number) for number in numbers if re.fullmatch(r"\d{1,18}", number, re.ASCII)), default=0)


def _rules(lines: Sequence[Line]) -> Iterator[tuple[int, Rule]]:
    last_sent = read_last_sent(lines)
    known: dict[str, int] = {}
    for line in lines:
        if line.kind not in (IGNET_SHARE, MIRROR_SHARE):
            continue
        rule = _ignet_rule(line, last_sent) if line.kind == IGNET_SHARE else _mirror_rule(line)
        _refuse_second(known, rule.node, line.number)
        yield line.number, rule


def _node(line: Line) -> str:
    node = line.field(1).lower()
    if not NODE_NAME.fullmatch(node):
        raise NetconfError(
            line.number, "field 1 (node)", f"{line.field(1)!r} is no node name", "letters, digits, '.', '-' and '_'"
        )
    return node


def _room(line: Line, text: str) -> str:
    if len(text.encode("utf-8", "surrogateescape")) > MAX_NAME or not text.isprintable():
        raise NetconfError(
            line.number, "field 2 (remote room)", f"{text[:40]!r} names no room", f"at most {MAX_NAME} printable bytes"
        )
    return text


def _ignet_rule(line: Line, last_sent: int) -> Rule:
    # IGNET's line pushes; what the other node pushes here, by its own line, was taken without another word.
    what = frozenset({MESSAGES})
    return Rule(_node(line), _room(line, line.field(2)), True, True, what, Selection(after_number=last_sent), True)


def _mirror_rule(line: Line) -> Rule:
    rule = Rule(_node(line), _room(line, unquote(line.field(2))))
    seen: set[str] = set()
    for at, field in enumerate(line.fields[3:], 3):
        if not field.strip():
            continue
        name, equals, value = field.strip().partition("=")
        reader = _OPTIONS.get(name)
        if not equals or reader is None:
            raise NetconfError(
                line.number,
                f"field {at}",
                f"{field.strip()[:60]!r} is no option",
                f"name=value with {', '.join(_OPTIONS)}",
            )
        if name in seen and name != "header":
            raise NetconfError(line.number, f"field {at} ({name})", "it is set twice", "keep one")
        seen.add(name)
        try:
            rule = reader(rule, unquote(value))
        except ValueError as error:
            raise NetconfError(
                line.number, f"field {at} ({name})", f"{value[:60]!r} is not understood", str(error)
            ) from None
    return rule


ReadOption = Callable[[Rule, str], Rule]
"""Returns a rule with an option's value taken over.  Raises ValueError, saying what to write."""


def _read_direction(rule: Rule, value: str) -> Rule:
    if value not in DIRECTIONS:
        raise ValueError(f"write {', '.join(DIRECTIONS)}")
    pushes, pulls = DIRECTIONS[value]
    return rule._replace(pushes=pushes, pulls=pulls)


def _read_what(rule: Rule, value: str) -> Rule:
    parts = [part.strip() for part in value.split(",") if part.strip()]
    if not parts or not {*parts} <= {*WHAT}:
        raise ValueError(f"write some of {', '.join(WHAT)}, with commas between")
    if DELETIONS in parts and not {MESSAGES, FILES} & {*parts}:
        raise ValueError("deletions need messages or files beside them")
    return rule._replace(what=frozenset(parts))


def _read_since(rule: Rule, value: str) -> Rule:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("write a time like 2026-11-24T20:00:00Z") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since_ms = max(0, (moment - _EPOCH) // timedelta(milliseconds=1))
    return _select(rule, rule.selection._replace(since_ms=since_ms))


def _read_age(rule: Rule, value: str) -> Rule:
    found = re.fullmatch(r"(\d{1,6})([smhdw])", value, re.ASCII)
    if found is None or not int(found[1]):
        raise ValueError("write a number and s, m, h, d or w: 90d")
    return _select(rule, rule.selection._replace(max_age_s=int(found[1]) * _AGES[found[2]]))


def _read_size(rule: Rule, value: str) -> Rule:
    found = re.fullmatch(r"(\d{1,9})([kKmMgG]?)", value, re.ASCII)
    if found is None or not int(found[1]):
        raise ValueError("write bytes, or a number and k, M or G: 10M")
    return _select(rule, rule.selection._replace(max_size=int(found[1]) * _SIZES[found[2].lower()]))


def _read_header(rule: Rule, value: str) -> Rule:
    name, colon, pattern = value.partition(":")
    if not colon or not re.fullmatch(r"[!-9;-~]+", name):
        raise ValueError("write Name:pattern, as in List-Id:*announce*")
    headers = (*rule.selection.headers, (name.lower(), pattern.strip()))
    return _select(rule, rule.selection._replace(headers=headers))


def _read_author(rule: Rule, value: str) -> Rule:
    return _select(rule, rule.selection._replace(author=_pattern(value)))


def _read_subject(rule: Rule, value: str) -> Rule:
    return _select(rule, rule.selection._replace(subject=_pattern(value)))


def _pattern(value: str) -> str:
    if not value.strip():
        raise ValueError("write a pattern, as in *@example.org")
    return value.strip()


def _select(rule: Rule, selection: Selection) -> Rule:
    return rule._replace(selection=selection)


_OPTIONS: dict[str, ReadOption] = {
    "direction": _read_direction,
    "what": _read_what,
    "since": _read_since,
    "max_age": _read_age,
    "max_size": _read_size,
    "author": _read_author,
    "subject": _read_subject,
    "header": _read_header,
}


# -- writing ------------------------------------------------------------------------------------------


def write_rule(rule: Rule) -> str:
    """Return the ``mirror_share`` line of a rule."""
    selection = rule.selection
    options = [
        ("direction", rule.direction if rule.direction != "both" else ""),
        ("what", ",".join(name for name in WHAT if name in rule.what) if rule.what != {*DEFAULT_WHAT} else ""),
        ("since", _written_time(selection.since_ms)),
        ("max_age", _written_age(selection.max_age_s)),
        ("max_size", _written_size(selection.max_size)),
        ("author", selection.author),
        ("subject", selection.subject),
        *(("header", f"{name}:{pattern}") for name, pattern in selection.headers),
    ]
    fields = [
        MIRROR_SHARE,
        rule.node,
        _quote(rule.remote),
        *(f"{name}={_quote(value)}" for name, value in options if value),
    ]
    return "|".join(fields).rstrip("|")


def _written_time(milliseconds: int) -> str:
    if not milliseconds:
        return ""
    return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _written_age(seconds: int) -> str:
    """Return an age in the greatest unit that says it exactly: what was read has six digits then too."""
    if not seconds:
        return ""
    unit = max((unit for unit, length in _AGES.items() if seconds % length == 0), key=lambda unit: _AGES[unit])
    return f"{seconds // _AGES[unit]}{unit}"


def _written_size(size: int) -> str:
    """Return a size in bytes, or in the greatest unit that says it exactly where bytes would have too many digits."""
    if size < 10**9:
        return str(size) if size else ""
    unit = max((unit for unit, length in _SIZES.items() if size % length == 0), key=lambda unit: _SIZES[unit])
    return f"{size // _SIZES[unit]}{unit.upper() if unit != 'k' else unit}"


def _quote(text: str) -> str:
    return re.sub(r"[|%\x00-\x1f\x7f]", lambda found: f"%{ord(found[0]):02X}", text)
