"""What it costs to learn that nothing is to do, by size of the store."""

import statistics
import time
from typing import Any

from ctdlmirror_bench.filling import fill
from ctdlmirror_bench.nodes import pair
from mirror.store.open import open_store


def measure_nothing(counts: list[int]) -> dict[str, Any]:
    result: dict[str, Any] = {"what": "nothing to do, one round trip over TLS"}
    for count in counts:
        with pair() as nodes:
            store = open_store(nodes.path("alpha"), "alpha")
            fill(store, "tiny", count)
            store.close()
            nodes.introduce()
            remote = nodes.dial()
            state = remote.info()
            trips = []
            for _ in range(200):
                tick = time.perf_counter()
                assert remote.info(state.digest).collections is None
                trips.append(time.perf_counter() - tick)
            result[f"median_ms_{count}_records"] = round(statistics.median(trips) * 1000, 3)
    return result
