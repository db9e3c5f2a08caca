"""What a change costs by how much is there: records in the store, rooms, and users that are connected.

Cost should follow the change, not the size, so each figure is taken at several sizes.
"""

import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import gevent
from exports import make_export

from ctdlmirror_bench.filling import fill
from ctdlmirror_bench.nodes import Nodes, scratch
from mirror.cli.processes import stop_all
from mirror.config.changing import save_peer
from mirror.config.secrets import save_secret
from mirror.config.settings import Peer
from mirror.model.draft import Draft
from mirror.store.open import open_store
from mirror.wire.values import Page

LOG_IN = ("User 1", "secret1")
REPEATS = 50
TAILING = 50


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
    """Log-in, a user's info, a post and how late a peer hears of it, with many rooms and users, some of whom tail."""
    with scratch() as directory:
        nodes = Nodes(directory, "alpha", "beta")
        alpha = nodes["alpha"]
        export = directory / "export.xml"
        with export.open("wb") as file:
            file.writelines(make_export(rooms, 200, rooms, users))
        alpha.run("import", str(export))
        nodes.introduce()
        try:
            with ExitStack() as stack:
                log_in = _median_ms(lambda: stack.enter_context(User(alpha.address)), 10)
                one = stack.enter_context(User(alpha.address))
                infos = _info_ms(nodes, one)
                pages = nodes.dial()
                tail = pages.tail(pages.info().cursor)
                alone, lag = _post_ms(nodes, tail)
                for _ in range(TAILING):
                    stack.enter_context(User(alpha.address)).tail()
                tailed, tailed_lag = _post_ms(nodes, tail)
        finally:
            stop_all(list(nodes.values()))
    return {
        "what": f"{users} users, {rooms} rooms",
        "log_in_ms": log_in,
        **infos,
        "post_ms": alone,
        "a_peers_lag_ms": lag,
        f"post_ms_with_{TAILING}_users_tailing": tailed,
        f"a_peers_lag_ms_with_{TAILING}_users_tailing": tailed_lag,
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

    def info(self, known: str = "") -> list[bytes]:
        """Ask for all collections that the user may read, or whether they are still those of a digest."""
        return self._listed(f"SYNC all|info{known}")

    def rooms(self) -> list[bytes]:
        """Ask for all rooms."""
        return self._listed("SYNC all|rooms")

    def _listed(self, command: str) -> list[bytes]:
        answer = self._say(command)
        assert answer[:1] in b"12", answer
        lines = [answer]
        while answer.startswith(b"1") and lines[-1] != b"000\n":
            lines.append(self._lines.readline())
        return lines

    def tail(self) -> None:
        """Begin to be told of changes."""
        answer = self._say("SYNC all|tail")
        assert answer.startswith(b"1"), answer


def _info_ms(nodes: Nodes, user: User) -> dict[str, float]:
    """Return what a user's info takes: the first of all, one after a post, one that says that nothing is new."""
    first = _median_ms(user.info, 1)
    lines = user.info()
    collection = next(line for line in lines if line.startswith(b"messages/")).decode().partition("|")[0]
    times = []
    with nodes["alpha"].ask() as remote:
        for number in range(5):
            remote.draft([Draft(collection, f"id:info{time.time_ns()}{number}", body=b"m" * 2048)])
            times.append(_median_ms(user.info, 1))
    fields = user.info()[0].decode().split("|")
    return {
        "a_users_first_info_ms": first,
        "a_users_info_after_a_post_ms": statistics.median(times),
        "a_users_info_where_nothing_is_new_ms": _median_ms(lambda: user.info(f"|{fields[3]}|{fields[5]}"), 5),
        "a_users_list_of_rooms_ms": _median_ms(user.rooms, 3),
    }


def _post_ms(nodes: Nodes, tail: Iterator[Page]) -> tuple[float, float]:
    """Return what a post takes, and after how long a peer that tails has it: medians, in milliseconds."""
    began, lags = time.time_ns(), []
    with nodes["alpha"].ask() as remote:
        numbers = iter(range(1_000_000))

        def post() -> None:
            key, asked = f"id:{began}-{next(numbers)}", time.perf_counter()
            hearing = gevent.spawn(_hear_of, tail, key)
            remote.draft([Draft("messages/big:1", key, body=b"m" * 2048)])
            lags.append((hearing.get() - asked) * 1000)

        return _median_ms(post), round(statistics.median(lags), 2)


def _hear_of(tail: Iterator[Page], key: str) -> float:
    """Return the moment at which a record comes."""
    while key not in [record.key for record in next(tail).records]:
        pass
    return time.perf_counter()


def _median_ms(what: Callable[[], object], repeats: int = REPEATS) -> float:
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        what()
        taken.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(taken), 2)
