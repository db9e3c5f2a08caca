"""One huge body: memory on both sides."""

import hashlib
import json
import random
import resource
import time
from typing import Any

from ctdlmirror_bench.measuring import peak_mb
from ctdlmirror_bench.nodes import pair
from mirror.model.record import Record
from mirror.store.open import open_store


def measure_body(megabytes: int) -> dict[str, Any]:
    """Bootstrap a store that holds one huge body."""
    with pair() as nodes:
        store = open_store(nodes.path("alpha"), "alpha")
        part = random.Random(1).randbytes(1024 * 1024)
        hasher = hashlib.sha256()
        for _ in range(megabytes):
            hasher.update(part)
        content, size = hasher.digest(), megabytes * len(part)
        for at in range(0, megabytes, 8):
            numbers = range(at, min(at + 8, megabytes))
            store.write(
                lambda writer, numbers=numbers: [
                    writer.add_content(content, size, n * len(part), part) for n in numbers
                ]
            )
        store.write(lambda writer: writer.put(Record("files/big:1", "huge", 1, "x", 1, content=content, size=size)))
        store.close()
        nodes.introduce()
        started = time.perf_counter()
        result = json.loads(nodes["beta"].run("bootstrap", f"mirror://{nodes['alpha'].address}", "--json").stdout)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        assert result["unequal"] == [], result
        return {
            "what": f"bootstrap of one body of {megabytes} MB",
            "seconds": round(seconds, 2),
            "MB_per_s": round(size / seconds / 1e6, 1),
            "peak_source_MB": round(peak_mb(nodes["alpha"].pid)),
            "peak_copy_MB": f"at most {round(peak / 1024)}",
        }
