"""A first copy over TLS, and what it costs to learn that nothing is to do."""

import json
import resource
import statistics
import time
from typing import Any

from ctdlmirror_bench.filling import fill
from ctdlmirror_bench.measuring import bare_sqlite, peak_mb
from ctdlmirror_bench.nodes import pair
from mirror.store.open import open_store


def measure_bootstrap(kind: str, count: int, compare: bool = True) -> dict[str, Any]:
    with pair() as nodes:
        store = open_store(nodes.path("alpha"), "alpha")
        size = fill(store, kind, count)
        store.close()
        nodes.introduce()
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        started = time.perf_counter()
        result = json.loads(nodes["beta"].run("bootstrap", f"mirror://{nodes['alpha'].address}", "--json").stdout)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        assert result["unequal"] == [] and result["written"] == count + 1, result  # and a sign of life
        remote = nodes.dial()
        state = remote.info()
        trips = []
        for _ in range(50):
            tick = time.perf_counter()
            assert remote.info(state.digest).collections is None
            trips.append(time.perf_counter() - tick)
        bare = bare_sqlite(nodes.directory, kind, count) if compare else 0.0
        return {
            "what": f"bootstrap of {count} {kind} messages, {size / 1e6:.0f} MB",
            "seconds": round(seconds, 2),
            "messages_per_s": round(count / seconds),
            "MB_per_s": round(size / seconds / 1e6, 1),
            "bare_sqlite_s": round(bare, 2),
            "ratio_to_bare_sqlite": round(bare / seconds, 2),
            "nothing_to_do_ms": round(statistics.median(trips) * 1000, 2),
            "peak_source_MB": round(peak_mb(nodes["alpha"].pid)),
            "peak_copy_MB": round(peak / 1024) if peak > before else f"under {round(before / 1024)}",
        }
