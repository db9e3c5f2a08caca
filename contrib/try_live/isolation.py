"""A network of our own with nothing but loopback, so that a copy of a real server's data can mail and call nobody.

A copied server may have mail in its queue, feeds to read and mailboxes to collect: whatever it dials is not there.
Knows nothing of Citadel.
"""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys

from try_live.errors import TrialFailed

MARK = "TRY_LIVE_ISOLATED"
"""In the environment of a process that was started again in its own network."""
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1


def isolate() -> None:
    """Go on in a network of our own, by running this program again there.  Raises TrialFailed where that cannot be."""
    if os.environ.get(MARK):
        _bring_loopback_up()
        return
    command = _unshare()
    os.environ[MARK] = "1"
    os.execvp(command[0], [*command, sys.executable, *sys.argv])


def _unshare() -> list[str]:
    """Return what begins a command line that is run in a new network."""
    program = shutil.which("unshare")
    if program is None:
        raise TrialFailed("there is no program 'unshare', which gives the server its own network: install util-linux")
    command = [program, "--net"] if os.geteuid() == 0 else [program, "--net", "--user", "--map-root-user"]
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        raise TrialFailed(f"no network of its own for the server: {tried.stderr.strip()}: run this as root")
    return command


def _bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def real_root() -> bool:
    """Tell whether we may become any other user: as root, but not as root of a user namespace of one user."""
    with open("/proc/self/uid_map") as file:
        return os.geteuid() == 0 and int(file.read().split()[2]) > 1
