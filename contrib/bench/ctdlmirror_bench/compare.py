"""The working tree against another commit: each side's own benchmarks, the same sizes, one after the other, in pairs.

Each side runs its own contrib/bench/ctdlmirror-bench on its own code, in today's environment, so that neither has to
know how the other is laid out; only the names of commands, options and results are shared.  Knows no node.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click

TOP = Path(__file__).parents[3]
FIRST_RELEASE = "6b41f7f"
"""0.1.0."""
FLOOR = 0.95


class Row(NamedTuple):
    """One benchmark with its sizes, and what of its result is compared; less is better of all of it."""

    command: tuple[str, ...]
    keys: tuple[str, ...]


ROWS = {
    "bootstrap": Row(("bootstrap", "--messages", "20000", "--no-bare"), ("seconds",)),
    "import": Row(("import", "--messages", "10000"), ("seconds",)),
    "latency": Row(("latency", "--messages", "5000", "--changes", "300"), ("p50_ms",)),
    "nothing": Row(("nothing", "--records", "10000"), ("median_ms_10000_records",)),
    "reconcile": Row(("reconcile", "--records", "200000", "--differences", "100"), ("seconds", "bytes")),
    "fanout": Row(("fanout", "--peers", "20", "--rate", "100", "--seconds", "6"), ("lag_p50_ms", "node_cpu_percent")),
}


@contextmanager
def checked_out(ref: str) -> Iterator[Path]:
    """Give a commit's tree in a directory of its own.  Raises ClickException."""
    archive = subprocess.run(["git", "-C", str(TOP), "archive", ref], capture_output=True, check=False)
    if archive.returncode:
        said = archive.stderr.decode().strip()
        raise click.ClickException(f"{ref} is not here (comparing needs the whole history): {said}")
    with tempfile.TemporaryDirectory(prefix="ctdlmirror-bench-") as directory:
        subprocess.run(["tar", "-x", "-C", directory], input=archive.stdout, check=True)
        yield Path(directory)


def environment_of(tree: Path, bytecode: Path) -> dict[str, str]:
    """Return the environment of a tree's commands, with its modules compiled ahead, as those of a program that was
    installed are: else each start would compile them, and a tree would be the slower the more modules it has.
    """
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONPYCACHEPREFIX": str(bytecode)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-m", "compileall", "-q", *(str(tree / name) for name in ("mirror", "netconf"))]
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
    return environment


def measured(tree: Path, row: Row, environment: Mapping[str, str]) -> dict[str, float]:
    """Run one benchmark of a tree; returns what is compared.  Raises ClickException."""
    command = [sys.executable, str(tree / "contrib" / "bench" / "ctdlmirror-bench"), *row.command, "--json"]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"{' '.join(row.command)} in {tree} ended with {done.returncode}: {done.stderr}")
    (result,) = json.loads(done.stdout)
    return {key: float(result[key]) for key in row.keys}


def ratios(pairs: list[tuple[float, float]]) -> dict[str, Any]:
    """Return how many times as good the tree is as the other commit, from pairs (other, tree) of what should be small.

    A pair of zeros (bytes, percent of a CPU) is equal.
    """
    found = [(other / ours if ours else 1.0 if not other else float("inf")) for other, ours in pairs]
    return {
        "median": round(statistics.median(found), 3),
        "least": round(min(found), 3),
        "greatest": round(max(found), 3),
        "other": round(statistics.median(other for other, _ in pairs), 3),
        "tree": round(statistics.median(ours for _, ours in pairs), 3),
    }


def compare(ref: str, names: list[str], pairs: int) -> list[dict[str, Any]]:
    """Measure rows in pairs: the other commit, the tree, the other commit, the tree.  Raises ClickException."""
    results: list[dict[str, Any]] = []
    with checked_out(ref) as other, tempfile.TemporaryDirectory(prefix="ctdlmirror-bench-") as bytecode:
        before, after = (environment_of(tree, Path(bytecode)) for tree in (other, TOP))
        for name in names:
            row = ROWS[name]
            taken = [(measured(other, row, before), measured(TOP, row, after)) for _ in range(pairs)]
            for key in row.keys:
                told = ratios([(theirs[key], ours[key]) for theirs, ours in taken])
                results.append({"what": f"{name}: {key}", **told, "command": " ".join(row.command), "pairs": pairs})
    return results


def show(results: list[dict[str, Any]], ref: str, floor: float) -> None:
    """Print a line a row."""
    click.echo(f"How many times as good as {ref}: median (least to greatest) of pairs, {ref} -> this tree.")
    for one in results:
        mark = "" if one["median"] >= floor else f"   under {floor:g}"
        click.echo(
            f"{one['what']:34} {one['median']:6.2f} ({one['least']:.2f} to {one['greatest']:.2f})"
            f"  {one['other']:g} -> {one['tree']:g}{mark}"
        )
    for command in dict.fromkeys(one["command"] for one in results):
        click.echo(f"    {command}")
