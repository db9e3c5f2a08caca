"""A Citadel server's export read into a store."""

import json
import resource
import time
from typing import Any

from exports import make_export

from ctdlmirror_bench.measuring import bare_sqlite
from ctdlmirror_bench.nodes import pair


def measure_import(count: int) -> dict[str, Any]:
    with pair() as nodes:
        export = nodes.directory / "export.xml"
        with export.open("wb") as file:
            file.writelines(make_export(count))
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        started = time.perf_counter()
        result = json.loads(nodes["alpha"].run("import", str(export), "--json").stdout)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        assert result["import"]["refused"] == [], result
        bare = bare_sqlite(nodes.directory, "small", count)
        return {
            "what": f"import of an export of {count} messages of 2 KB",
            "seconds": round(seconds, 2),
            "messages_per_s": round(count / seconds),
            "bare_sqlite_s": round(bare, 2),
            "ratio_to_bare_sqlite": round(bare / seconds, 2),
            "peak_MB": round(peak / 1024) if peak > before else f"under {round(before / 1024)}",
        }
