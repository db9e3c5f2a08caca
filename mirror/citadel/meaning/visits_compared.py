"""What a visit says, where two nodes' visits are compared, or a node's with a server's.  Values in, values out.

A server takes for granted of who was never in a room that nothing was seen there, and that the room is viewed as all
view it; so a visit that says no more is as good as none, and nothing is told of it where it is made.
"""

from collections.abc import Mapping
from typing import Any

from mirror.citadel.meaning.declared import VOID
from mirror.formats.sequence_set import NOTHING_SEEN

Fields = Mapping[str, Any]

_ALL_UP_TO = "*:"
"""So begins a set of all messages up to one."""
_OF_ITS_KEY = ("v_roomnum", "v_usernum")
"""Fields of a visit that say what its collection and key do."""


def user_of_visit(key: str) -> str:
    """Return the key of the user whose visit or mark has a key."""
    return key.partition(" ")[0].partition("@")[0]


def said_by_visit(key: str, fields: Fields, view: object) -> Fields:
    """Return what a visit or mark says, given how its room is viewed by all: nothing where a server takes it so anyway.

    A mark that was taken back says no, which is as if it had never been there.
    """
    if "@" in key.partition(" ")[0]:
        return {VOID: ""} if fields else {}
    nothing = {"v_seen": NOTHING_SEEN, "v_view": view, "v_flags": "0"}
    told = {name: value for name, value in fields.items() if name not in _OF_ITS_KEY and value is not False}
    if str(told.get("v_seen")).isdigit():  # an export tells so of who has seen all up to one, too
        told["v_seen"] = f"{_ALL_UP_TO}{told['v_seen']}"
    return {name: value for name, value in told.items() if value != nothing.get(name, "")}
