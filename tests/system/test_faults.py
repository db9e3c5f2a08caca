"""A network that cuts, delays, stalls and flips bytes between two real nodes: in the end they are equal."""

import random
import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from nodes import IMPORTED, NodeProcess, wait_equal

FAULTS = ("cut", "flip", "delay", "stall")
Make = Callable[[str], NodeProcess]


class Proxy:
    """Forwards to a node; each of the first connections has a fault at a place drawn by a seed.

    It is cut, has a byte flipped, is slow from there on, or stays open and passes nothing more.
    """

    def __init__(self, target: str, seed: int, faulty: int) -> None:
        host, port = target.split(":")
        self._target = (host, int(port))
        self._chance = random.Random(seed)
        self._faulty = faulty
        self.faults = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            fault = None
            if self._faulty > 0:
                self._faulty -= 1
                fault = (self._chance.choice(FAULTS), self._chance.randint(1, 20_000))
            threading.Thread(target=self._pump, args=(near, far, None), daemon=True).start()
            threading.Thread(target=self._pump, args=(far, near, fault), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, fault: tuple[str, int] | None) -> None:
        passed = 0
        slow = False
        try:
            while data := source.recv(4096):
                if fault is not None and passed + len(data) > fault[1]:
                    at = fault[1] - passed
                    self.faults += 1
                    if fault[0] == "cut":
                        sink.sendall(data[:at])
                        break
                    if fault[0] == "stall":
                        sink.sendall(data[:at])
                        while source.recv(65536):
                            pass  # what comes is lost, until somebody gives up
                        break
                    if fault[0] == "flip":
                        data = data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]
                    slow = fault[0] == "delay"
                    fault = None
                passed += len(data)
                if slow:
                    time.sleep(0.05)  # the fault itself: a line with a long delay
                sink.sendall(data)
        except OSError:
            pass  # the other direction ended: so does this one
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already

    def close(self) -> None:
        self._listening.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_network_that_cuts_and_flips_ends_in_equal_nodes(node: Make, secret: Path, export: Path, seed: int) -> None:
    alpha, beta = node("alpha"), node("beta")
    alpha.run("import", str(export))
    alpha.knows(beta, secret, dial=False)
    alpha.start()
    proxy = Proxy(alpha.address, seed, faulty=8)
    direct, alpha.address = alpha.address, proxy.address
    beta.knows(alpha, secret)
    beta.configure("keepalive_s = 30", "keepalive_s = 1")  # so that a stalled line is given up soon
    beta.start()
    alpha.address = direct
    alpha.run("post", "Lobby", "text 0")
    wait_equal(alpha, beta)
    for number in range(1, 4):
        (alpha, beta)[number % 2].run("post", "Lobby", f"text {number}")
    wait_equal(alpha, beta)
    assert proxy.faults > 0
    assert alpha.json("status")["records"] == IMPORTED + 4 + 2  # and the sign of life of each
    for one in (alpha, beta):
        assert "no problems" in one.run("check").stdout
        assert not any(" ERROR " in line for line in one.log)
    proxy.close()


GARBAGE = (
    b"",
    b"\xff" * 10_000,
    b"200 hello\n" + b"\x00" * 500,
    b"200 hello\n200 Begin TLS now.\n\x16\x03\x01\xff\xff" + b"x" * 500,
    b"510 no\n",
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
)
LINE = re.compile(r"\d{4}-\d\d-\d\d [0-9:,]+ (DEBUG|INFO|WARNING|ERROR) [a-z.]+: ")


class Liar:
    """Answers as nobody should, one way after the other, or closes at once."""

    def __init__(self) -> None:
        self.answered = 0
        self.often = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
                with near:
                    near.sendall(GARBAGE[self.answered % len(GARBAGE)])
            except OSError:
                if self._listening.fileno() < 0:
                    return
            self.answered += 1
            if self.answered > 10 * len(GARBAGE):
                self.often.set()

    def close(self) -> None:
        self._listening.close()


def throw(address: str, data: bytes, often: int) -> None:
    """Connect many times, send something and close without reading an answer."""
    host, port = address.split(":")
    for _ in range(often):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(data)


def test_garbage_and_lost_connections_are_a_line_each_and_no_traceback(node: Make, secret: Path) -> None:
    alpha, beta = node("alpha"), node("beta")
    for one in (alpha, beta):
        one.configure('level = "debug"', 'level = "info"')
    beta.configure("retry_max_s = 0.5", "retry_max_s = 0.05")
    beta.configure("retry_min_s = 0.1", "retry_min_s = 0.05")
    alpha.start()
    liar = Liar()
    direct, alpha.address = alpha.address, liar.address
    beta.knows(alpha, secret)
    alpha.address = direct
    beta.start()
    for data in (*GARBAGE, b"NOOP\n" * 2, b"STLS\n\x16\x03\x01garbage", b"SYNC all|tail\n", b"\xff\xfe\n", b"X" * 5000):
        throw(alpha.address, data, 20)
    assert liar.often.wait(60), liar.answered
    liar.close()
    assert alpha.json("status")["records"] == 1
    for one in (alpha, beta):
        lines = list(one.log)
        assert [line for line in lines if not LINE.match(line)] == []
        told = [line for line in lines if " WARNING " in line or " ERROR " in line]
        assert len(told) <= len(GARBAGE) + 5, told
    assert any("link to alpha: " in line for line in beta.log)


def test_a_peer_that_is_cut_off_again_and_again_prints_no_traceback(node: Make, secret: Path, export: Path) -> None:
    """Both sides, at whatever place of what they say to each other."""
    alpha, beta = node("alpha"), node("beta")
    for one in (alpha, beta):
        one.configure('level = "debug"', 'level = "info"')
    alpha.run("import", str(export))
    alpha.knows(beta, secret, dial=False)
    alpha.start()
    proxy = Proxy(alpha.address, 7, faulty=12)
    direct, alpha.address = alpha.address, proxy.address
    beta.knows(alpha, secret)
    beta.configure("keepalive_s = 30", "keepalive_s = 1")
    beta.start()
    alpha.address = direct
    wait_equal(alpha, beta)
    proxy.close()
    for one in (alpha, beta):
        assert [line for line in one.log if not LINE.match(line)] == []
        assert len([line for line in one.log if " WARNING " in line]) < 20
