"""The end of a machine that is on it: sets up what it sees, and does what is typed.

Run by machines.made in namespaces of its own; it leaves this machine's root before anything is typed.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

SEEN = ("bin", "etc", "lib", "lib32", "lib64", "libx32", "opt", "sbin", "usr")
"""Directories of this machine that are on that one, too; what is changed in them is changed there alone."""
EMPTY = ("home", "mnt", "proc", "root", "run", "srv", "tmp", "var/lib", "var/tmp")
HOME = "/root"
"""Where what is typed begins, and to what paths that are not absolute are relative."""
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": HOME, "LANG": "C.UTF-8"}
PROGRAM = """#!{python} -I
import sys
sys.path[:0] = ["/usr/src/citadel-mirror", "/usr/lib/citadel-mirror"]
from mirror.cli.entry import main
main()
"""
"""What an installation has as ``ctdlmirror``."""
TIMEOUT_S = 120
TIMED_OUT = 124
"""As timeout(1) has it."""
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1  # netdevice(7)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def set_up(asked: dict[str, Any]) -> Path:
    """Make the root of the machine; returns where it is."""
    here = Path(asked["root"])
    mount("-t", "tmpfs", "-o", "mode=755", "machine", str(here))
    root = here / "root"
    for name in EMPTY:
        (root / name).mkdir(parents=True)
    for name in SEEN:
        show(Path("/") / name, root / name, here / "changed" / name)
    mount("-t", "tmpfs", "-o", "mode=755", "machine", str(root / "usr/local/bin"))
    for place, source in asked["bound"].items():
        bind(Path(source), inside(root, Path(place)))
    if not inside(root, Path(sys.base_prefix)).exists():
        bind(Path(sys.base_prefix), inside(root, Path(sys.base_prefix)))
    (root / "dev").mkdir()
    mount("--rbind", "/dev", str(root / "dev"))
    mount("-t", "proc", "proc", str(root / "proc"))
    program = root / "usr/local/bin/ctdlmirror"
    program.write_text(PROGRAM.format(python=Path(sys.executable).resolve()))
    program.chmod(0o755)
    name = asked["name"]
    own = f"127.0.0.1 localhost\n127.0.1.1 {name}.example.org {name}\n"  # as Debian's installer has it
    (root / "etc/hosts").unlink(missing_ok=True)
    (root / "etc/hosts").write_text(own + "".join(f"{at} {other}\n" for other, at in asked["hosts"].items()))
    return root


def inside(root: Path, path: Path) -> Path:
    """Return where a path of this machine is on that one."""
    return root / path.relative_to("/")


def show(source: Path, place: Path, changed: Path) -> None:
    """Have a directory of this machine be on that one, which keeps for itself what it changes in it."""
    if source.is_symlink():
        place.symlink_to(os.readlink(source))
    elif source.is_dir():
        upper, work = changed / "upper", changed / "work"
        for one in (upper, work, place):
            one.mkdir(parents=True)
        mount(
            "-t", "overlay", "machine", "-o", f"userxattr,lowerdir={source},upperdir={upper},workdir={work}", str(place)
        )


def bind(source: Path, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    mount("--bind", str(source), str(place))


def bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        request = fcntl.ioctl(one, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
        (flags,) = struct.unpack("16xH14x", request)
        fcntl.ioctl(one, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


class Wire:
    """A port of this machine that others reach by a socket, or an address here that leads to one."""

    def __init__(self, listening: socket.socket, family: socket.AddressFamily, target: Any) -> None:
        self._listening, self._family, self._target = listening, family, target
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            one, _ = self._listening.accept()
            other = socket.socket(self._family)
            try:
                other.connect(self._target)
            except OSError:  # nobody listens there
                one.close()
                other.close()
                continue
            for source, sink in ((one, other), (other, one)):
                threading.Thread(target=pass_on, args=(source, sink), daemon=True).start()


def pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class Terminal:
    """What is typed here, and what goes on meanwhile."""

    def __init__(self) -> None:
        self._going_on: subprocess.Popen[str] | None = None
        self._said: list[str] = []

    def do(self, asked: dict[str, Any]) -> dict[str, Any]:
        if "until" in asked:
            return self._start(asked["line"], asked["until"])
        if "line" in asked:
            return self._type(asked["line"], asked["given"])
        if "stop" in asked:
            return self._stop()
        if "path" in asked:
            path = Path(asked["path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(asked["text"])
            path.chmod(asked["mode"])
        else:
            self._wire(asked)
        return {}

    def _type(self, line: str, given: str) -> dict[str, Any]:
        try:
            done = subprocess.run(
                ["sh", "-c", line],
                input=given,
                env=ENVIRONMENT,
                cwd=HOME,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as late:
            said = late.output.decode("utf-8", "replace") if late.output else ""
            return {"code": TIMED_OUT, "output": f"{said}has not ended in {TIMEOUT_S} s\n"}
        return {"code": done.returncode, "output": done.stdout}

    def _start(self, line: str, until: str) -> dict[str, Any]:
        self._going_on = subprocess.Popen(
            ["sh", "-c", f"exec {line}"],
            env=ENVIRONMENT,
            cwd=HOME,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said, up = [], threading.Event()
        self._said = said

        def read(stream: Any) -> None:
            for one in stream:
                said.append(one)
                if until in one:
                    up.set()
            up.set()

        threading.Thread(target=read, args=(self._going_on.stdout,), daemon=True).start()
        up.wait(TIMEOUT_S)
        ended = self._going_on.poll() if not any(until in one for one in said) else 0
        return {"code": 0 if ended == 0 else ended or 1, "output": "".join(said)}

    def _stop(self) -> dict[str, Any]:
        assert self._going_on is not None
        self._going_on.send_signal(signal.SIGINT)
        code = self._going_on.wait(TIMEOUT_S)
        return {"code": code, "output": "".join(self._said)}

    def _wire(self, asked: dict[str, Any]) -> None:
        path = f"/run/wires/{asked['wire']}.socket"
        if "address" in asked:
            listening = socket.create_server((asked["address"], asked["port"]))
            Wire(listening, socket.AF_UNIX, path)
            return
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(path)
        listening.listen()
        Wire(listening, socket.AF_INET, ("127.0.0.1", asked["port"]))


def main() -> None:
    asked = json.loads(sys.argv[1])
    root = set_up(asked)
    bring_up_loopback()
    socket.sethostname(asked["name"])
    os.chroot(root)
    os.chdir(HOME)
    terminal = Terminal()
    print("{}", flush=True)
    for line in sys.stdin:
        print(json.dumps(terminal.do(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
