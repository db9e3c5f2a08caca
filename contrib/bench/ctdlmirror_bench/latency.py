"""From the commit on one node to the commit on the other."""

import time
from typing import Any

from ctdlmirror_bench.filling import fill
from ctdlmirror_bench.nodes import pair
from mirror.cli.local import local_node
from mirror.model.draft import Draft
from mirror.store.open import open_store


def measure_latency(count: int, changes: int) -> dict[str, Any]:
    with pair() as nodes:
        store = open_store(nodes.path("alpha"), "alpha")
        fill(store, "tiny", count)
        store.close()
        nodes.introduce()
        nodes.bootstrap("--online")
        nodes["beta"].start()
        with local_node(nodes.path("alpha")) as alpha, local_node(nodes.path("beta")) as beta:
            pages = beta.tail(beta.info().cursor)
            taken = []
            for number in range(changes):
                alpha.draft([Draft("messages/big:1", f"id:new{number}", body=b"m" * 2048)])
                committed = time.perf_counter()
                while not any(record.key == f"id:new{number}" for record in next(pages).records):
                    pass
                taken.append((time.perf_counter() - committed) * 1000)
            taken.sort()
        return {
            "what": f"commit on A to commit on B, {count} messages in store",
            "p50_ms": round(taken[len(taken) // 2], 2),
            "p99_ms": round(taken[len(taken) * 99 // 100], 2),
            "changes": changes,
        }
