"""Many peers tail one node while messages are posted at a steady rate."""

import time
from typing import Any

import gevent

from ctdlmirror_bench.measuring import cpu_seconds, peak_mb
from ctdlmirror_bench.nodes import pair
from mirror.cli.local import local_node
from mirror.model.draft import Draft
from mirror.peer.remote import ChannelRemote


def measure_fanout(peers: int, rate: int, seconds: int) -> dict[str, Any]:
    """Have many peers tail one node while messages are posted at a steady rate."""
    with pair() as nodes:
        nodes.introduce()
        remotes = [nodes.dial() for _ in range(peers)]
        cursor = remotes[0].info().cursor
        posted: dict[str, float] = {}
        lags: list[float] = []
        total = rate * seconds

        def tail(remote: ChannelRemote) -> None:
            seen = 0
            for page in remote.tail(cursor):
                now = time.perf_counter()
                lags.extend(now - posted[record.key] for record in page.records)
                seen += len(page.records)
                if seen >= total:
                    return

        tails = [gevent.spawn(tail, remote) for remote in remotes]
        before = cpu_seconds(nodes["alpha"].pid)
        with local_node(nodes.path("alpha")) as alpha:
            started = time.perf_counter()
            for number in range(total):
                gevent.sleep(max(0.0, started + number / rate - time.perf_counter()))
                posted[f"id:{number}"] = time.perf_counter()
                alpha.draft([Draft("messages/big:1", f"id:{number}", body=b"m" * 2048)])
            took = time.perf_counter() - started
            gevent.joinall(tails, timeout=60, raise_error=True)
        used = cpu_seconds(nodes["alpha"].pid) - before
        lags.sort()
        assert len(lags) == total * peers
        return {
            "what": f"{peers} peers tailing, {rate} messages/s posted for {seconds} s",
            "posted_per_s": round(total / took, 1),
            "lag_p50_ms": round(lags[len(lags) // 2] * 1000, 1),
            "lag_p99_ms": round(lags[len(lags) * 99 // 100] * 1000, 1),
            "node_cpu_percent": round(used / took * 100, 1),
            "node_cpu_percent_per_peer": round(used / took * 100 / peers, 2),
            "peak_node_MB": round(peak_mb(nodes["alpha"].pid)),
        }
