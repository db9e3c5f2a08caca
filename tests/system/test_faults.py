"""A network that cuts, delays, stalls and flips bytes between two real nodes: in the end they are equal."""

import random
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
