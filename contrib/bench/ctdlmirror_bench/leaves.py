"""A hub that shares a room with many leaves: what each costs at rest, and how soon a message is on all of them."""

import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gevent
from gevent.event import Event

from ctdlmirror_bench.measuring import bare_commits_ms, cpu_seconds, resident_mb
from ctdlmirror_bench.nodes import Nodes, scratch
from mirror.addresses import Address
from mirror.cli.local import local_node
from mirror.cli.processes import stop_all
from mirror.config.changing import save_peer
from mirror.config.secrets import save_secret
from mirror.config.settings import Peer
from mirror.model.draft import Draft
from mirror.model.record import Record
from mirror.peer.remote import ChannelRemote
from mirror.store.open import open_store
from mirror.wire.codec import Cursor

SECRET = "a secret of this benchmark"
HISTORY_TIMEOUT_S = 300
MESSAGE_TIMEOUT_S = 60


class Hub(Nodes):
    """A hub that shares one room with many leaves, every one a daemon of its own."""

    def __init__(self, directory: Path, leaves: int, messages: int) -> None:
        self.names = [f"leaf{number}" for number in range(leaves)]
        super().__init__(directory, "hub", *self.names)
        for name in self.names:
            save_peer(self.path("hub"), Peer(name, None, self[name].pin, "share"))
            save_secret(self.path("hub"), name, SECRET)
        self._fill("hub", "".join(f"mirror_share|{name}\n" for name in self.names), messages)
        self.bare_mb = self._bare_mb()
        host, _, port = self["hub"].start().rpartition(":")
        for name in self.names:
            save_peer(self.path(name), Peer("hub", Address(host, int(port)), self["hub"].pin, "share"))
            save_secret(self.path(name), "hub", SECRET)
            self._fill(name, "mirror_share|hub\n", 0)

    def _fill(self, name: str, lines: str, messages: int) -> None:
        store = open_store(self.path(name), name)
        fields = {"QRname": "Board", "QRflags": "2"}
        store.write(lambda writer: writer.set_fields("rooms", f"{name}:1", fields))
        draft = Record(f"netconf/{name}:1", "netconf", 1, "x", 1)
        store.write(lambda writer: writer.put(writer.store_body(draft, lines.encode())))
        records = [
            Record(f"messages/{name}:1", f"id:{number}", 9, name, 9, body=b"m" * 2048) for number in range(messages)
        ]
        store.write(lambda writer: writer.apply(records))
        store.close()

    def _bare_mb(self) -> float:
        """Return what the hub's daemon takes with nobody connected."""
        self["hub"].start()
        megabytes = resident_mb(self["hub"].pid)
        self["hub"].stop()
        return megabytes

    def resident_mb(self, name: str) -> float:
        return resident_mb(self[name].pid)


def measure_leaves(leaves: int, messages: int, changes: int, seconds: int) -> dict[str, Any]:
    """A hub with many leaves: what each costs at rest, and how soon a message is on all of them."""
    with scratch() as directory:
        nodes = Hub(directory, leaves, messages)
        try:
            return _measured(nodes, leaves, messages, changes, seconds)
        finally:
            stop_all(list(nodes.values()))


class Arrivals:
    """When which message came to which leaf."""

    def __init__(self, leaves: int) -> None:
        self._leaves = leaves
        self._everywhere: dict[str, Event] = defaultdict(Event)
        self.moments: dict[str, dict[int, float]] = defaultdict(dict)
        """By key and number of the leaf, in seconds of the performance counter."""

    def listen(self, leaf: int, remote: ChannelRemote, collection: str) -> None:
        """Hear of what comes to a leaf, for good."""
        for page in remote.tail(Cursor("", 0)):
            now = time.perf_counter()
            for record in page.records:
                if record.collection == collection:
                    self._note(record.key, leaf, now)

    def _note(self, key: str, leaf: int, moment: float) -> None:
        self.moments[key][leaf] = moment
        if len(self.moments[key]) == self._leaves:
            self._everywhere[key].set()

    def wait(self, key: str, seconds: float) -> None:
        """Wait until a message is on all leaves."""
        assert self._everywhere[key].wait(seconds), f"{key} did not reach all leaves"


def _measured(nodes: Hub, leaves: int, messages: int, changes: int, seconds: int) -> dict[str, Any]:
    began = time.perf_counter()
    for name in nodes.names:
        nodes[name].start()
    arrivals = Arrivals(leaves)
    with ExitStack() as stack:
        remotes = [stack.enter_context(local_node(nodes.path(name))) for name in nodes.names]
        listening = [
            gevent.spawn(arrivals.listen, number, remote, f"messages/{nodes.names[number]}:1")
            for number, remote in enumerate(remotes)
        ]
        for number in range(messages):
            arrivals.wait(f"id:{number}", HISTORY_TIMEOUT_S)
        history_s = time.perf_counter() - began
        used = _cpu_at_rest(nodes, seconds)
        posted = _post(nodes, arrivals, changes)
        gevent.killall(listening)
        hub_mb = nodes.resident_mb("hub")
    return {
        "what": f"a hub and {leaves} leaves that share a room of {messages} messages",
        "start_and_history_s": round(history_s, 1),
        "hub_MB_alone": round(nodes.bare_mb, 1),
        "hub_MB_per_leaf": round((hub_mb - nodes.bare_mb) / leaves, 2),
        "hub_cpu_percent_per_leaf_at_rest": round(used["hub"] / seconds * 100 / leaves, 4),
        "leaf_MB": round(sum(nodes.resident_mb(name) for name in nodes.names) / leaves, 1),
        "leaf_cpu_percent_at_rest": round(sum(used[name] for name in nodes.names) / seconds * 100 / leaves, 3),
        **_lags(posted, arrivals),
        "bare_sqlite_commits_ms": round(bare_commits_ms(nodes.directory, leaves), 1),
        "messages": changes,
    }


def _cpu_at_rest(nodes: Hub, seconds: int) -> dict[str, float]:
    """Return the CPU seconds of each node by its name, while nothing happens."""
    before = {name: cpu_seconds(nodes[name].pid) for name in ("hub", *nodes.names)}
    gevent.sleep(seconds)
    return {name: cpu_seconds(nodes[name].pid) - was for name, was in before.items()}


def _post(nodes: Hub, arrivals: Arrivals, count: int) -> dict[str, float]:
    """Post messages on the hub, each once the last one is on all leaves; returns the moments by key."""
    posted = {}
    with local_node(nodes.path("hub")) as hub:
        for key in [f"id:new{number}" for number in range(count)]:
            hub.draft([Draft("messages/hub:1", key, body=b"m" * 2048)])
            posted[key] = time.perf_counter()
            arrivals.wait(key, MESSAGE_TIMEOUT_S)
    return posted


def _lags(posted: dict[str, float], arrivals: Arrivals) -> dict[str, float]:
    """Return how soon messages were on any leaf, and on the last one."""
    lags = [[(moment - then) * 1000 for moment in arrivals.moments[key].values()] for key, then in posted.items()]
    each = sorted(lag for some in lags for lag in some)
    last = sorted(max(some) for some in lags)
    return {
        "message_on_a_leaf_p50_ms": round(each[len(each) // 2], 1),
        "message_on_a_leaf_p99_ms": round(each[len(each) * 99 // 100], 1),
        "message_on_all_leaves_p50_ms": round(last[len(last) // 2], 1),
    }
