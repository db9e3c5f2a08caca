"""A user's rules for incoming mail, as a message of the user's configuration room holds them.  Bytes in, values out.

Facts: version 980 (serv_inboxrules.c), which takes older lines for the same.
"""

from mirror.formats.errors import BadMessage
from mirror.formats.message import parse_message

_RULE, _OLDER = "rule|", "# webcit_rule|"


def rule_lines(body: bytes) -> list[str]:
    """Return the rules that a serialized message holds; none where it is no message."""
    try:
        return rules_in(parse_message(body).text("M").split("\n"))
    except BadMessage:
        return []


def rules_in(lines: list[str]) -> list[str]:
    """Return the lines that are rules, each as it is written now."""
    found = []
    for line in (one.rstrip("\r") for one in lines):
        if line.lower().startswith(_OLDER):
            line = _RULE + line[len(_OLDER) :]
        if line.lower().startswith(_RULE):
            found.append(line)
    return found
