"""What a change costs by how much is there: records in the store, rooms, and users that are connected.

Cost should follow the change, not the size, so each figure is taken at several sizes.
"""

import socket
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from exports import make_export

from ctdlmirror_bench.filling import fill
from ctdlmirror_bench.nodes import Nodes, scratch
from mirror.cli.processes import stop_all
from mirror.config import Peer, save_peer, save_secret
from mirror.model.draft import Draft
from mirror.store.open import open_store

LOG_IN = ("User 1", "secret1")
REPEATS = 50


def measure_commit(records: int) -> dict[str, Any]:
    """A post into a store of many records while rooms are shared with some peers."""
    with scratch() as directory:
        nodes = Nodes(directory, "alpha")
        store = open_store(nodes.path("alpha"), "alpha")
        fill(store, "tiny", records)
        store.close()
        for number in range(5):
            save_peer(nodes.path("alpha"), Peer(f"peer{number}", None, "system", "share"))
            save_secret(nodes.path("alpha"), f"peer{number}", "a secret of this benchmark")
        nodes["alpha"].start()
        try:
            with nodes["alpha"].ask() as remote:
                numbers = iter(range(REPEATS))
                taken = _median_ms(
                    lambda: remote.draft([Draft("messages/big:1", f"id:new{next(numbers)}", body=b"m" * 2048)])
                )
        finally:
            stop_all(list(nodes.values()))
        return {"what": f"a post among {records} records, five peers that rooms are shared with", "median_ms": taken}


def measure_users(rooms: int, users: int) -> dict[str, Any]:
    """Log-in, a user's info and a post, with many rooms and users, some of whom tail."""
    with scratch() as directory:
        nodes = Nodes(directory, "alpha")
        alpha = nodes["alpha"]
        export = directory / "export.xml"
        with export.open("wb") as file:
            file.writelines(make_export(rooms, 200, rooms, users))
        alpha.run("import", str(export))
        alpha.start()
        try:
            with ExitStack() as stack:
                log_in = _median_ms(lambda: stack.enter_context(User(alpha.address)), 10)
                one = stack.enter_context(User(alpha.address))
                info = _median_ms(one.info, 5)
                alone = _post_ms(nodes)
                for _ in range(50):
                    stack.enter_context(User(alpha.address)).tail()
                tailed = _post_ms(nodes)
        finally:
            stop_all(list(nodes.values()))
    return {
        "what": f"{users} users, {rooms} rooms",
        "log_in_ms": log_in,
        "a_users_info_ms": info,
        "post_ms": alone,
        "post_ms_with_50_users_tailing": tailed,
    }


class User:
    """A user's connection."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._lines = socket.create_connection((host, int(port)), 120).makefile("rwb")
        self._lines.readline()
        for command, code in ((f"USER {LOG_IN[0]}", b"300"), (f"PASS {LOG_IN[1]}", b"200")):
            assert self._say(command).startswith(code)

    def __enter__(self) -> "User":
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def _say(self, line: str) -> bytes:
        self._lines.write(line.encode() + b"\n")
        self._lines.flush()
        return self._lines.readline()

    def info(self) -> None:
        """Ask for all collections that the user may read."""
        assert self._say("SYNC all|info").startswith(b"1")
        while self._lines.readline() != b"000\n":
            pass  # the listing itself is not looked at

    def tail(self) -> None:
        """Begin to be told of changes."""
        answer = self._say("SYNC all|tail")
        assert answer.startswith(b"1"), answer


def _post_ms(nodes: Nodes) -> float:
    with nodes["alpha"].ask() as remote:
        numbers = iter(range(1_000_000))
        began = time.time_ns()
        return _median_ms(
            lambda: remote.draft([Draft("messages/big:1", f"id:{began}-{next(numbers)}", body=b"m" * 2048)])
        )


def _median_ms(what: Callable[[], object], repeats: int = REPEATS) -> float:
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        what()
        taken.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(taken), 2)
