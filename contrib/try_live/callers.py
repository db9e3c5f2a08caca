"""Which process of this machine is at the other end of a connection to loopback: two servers have one address there.

Knows nothing of Citadel.
"""

import os
import socket
import struct
from collections.abc import Mapping
from pathlib import Path


def caller(connection: socket.socket, processes: Mapping[int, str]) -> str:
    """Return the name of the process that made a connection, which has to be open at that end; ``processes`` are names
    by process numbers.  Nothing where it is none of them.
    """
    address, port = connection.getpeername()
    inode = _inode(address, port)
    return next((name for process, name in processes.items() if inode in _inodes(process)), "")


def _inode(address: str, port: int) -> str:
    """Return the number of the socket that is bound to an address of this machine; nothing where there is none."""
    (number,) = struct.unpack("=I", socket.inet_aton(address))
    local = f"{number:08X}:{port:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return next((row[9] for row in rows if row[1] == local), "")


def _inodes(process: int) -> set[str]:
    """Return the numbers of the sockets that a process has open."""
    found = set()
    for path in Path(f"/proc/{process}/fd").iterdir():
        try:
            target = os.readlink(path)
        except FileNotFoundError:  # closed meanwhile
            continue
        found.add(target.removeprefix("socket:[").removesuffix("]"))
    return found
