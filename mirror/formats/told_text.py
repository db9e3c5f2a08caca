"""A server's system message as it is written in its file, and as the server tells it.  Bytes in, values out.

``MESG`` reads the file in pieces of at most 254 bytes up to a line's end, drops the last byte of each, which is the
line's end as a rule, and puts values in place of names such as ``^humannode``.  Source: version 980.
"""

import re

PIECE = 254
"""Bytes of a line that are told as one."""
_PIECES = re.compile(rb"[^\n]{0,%d}\n|[^\n]{1,%d}" % (PIECE - 1, PIECE))
_NAMES = re.compile(rb"\^(?:nodename|humannode|fqdn|username|usernum|sysadm|variantname|maxsessions|bbsdir)")


def tells(told: bytes, written: bytes) -> bool:
    """Tell whether a server with this file would tell that, whatever its names stand for."""
    pieces = [piece[:-1] for piece in _PIECES.findall(written)]
    lines = told.split(b"\n")[:-1]
    return len(pieces) == len(lines) and all(map(_fits, lines, pieces))


def _fits(line: bytes, piece: bytes) -> bool:
    """Tell whether a line is a piece with something in place of each name, in linear time."""
    first, *others = _NAMES.split(piece.rstrip(b"\r"))
    line = line.rstrip(b"\r")
    if not others:
        return line == first
    last = others.pop()
    if len(line) < len(first) + len(last) or not (line.startswith(first) and line.endswith(last)):
        return False
    at, end = len(first), len(line) - len(last)
    for text in others:
        at = line.find(text, at, end)
        if at < 0:
            return False
        at += len(text)
    return True
