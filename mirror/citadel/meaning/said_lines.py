"""What a server said last of the lines of a room's network configuration, as it is remembered: a tag.

Whether any of them act is told by it.  Bytes in, text out.
"""

from mirror.model.status import fingerprint
from netconf.acting import acting_lines
from netconf.lines import LAST_SENT, replace_lines

_ACTING = "acting "


def tag_of_lines(body: bytes) -> str:
    """Return what tells the lines of a server from others that it may have, but for how far it has sent the room."""
    lines = replace_lines(body, lambda one: one.kind.lower() == LAST_SENT)
    return (_ACTING if acting_lines(lines) else "") + fingerprint(lines.rstrip(b"\n")).hex()


def says_that_some_act(tag: str) -> bool:
    """Tell whether a server that said lines of this tag has any that act."""
    return tag.startswith(_ACTING)


NO_LINES = tag_of_lines(b"")
"""The tag of a server that has no lines of a room, or none but how far it has sent the room."""
