"""The commands: one a benchmark, all of them in the sizes of docs/performance.md, and the comparison with a commit."""

import json
import sys
from pathlib import Path

import click

from ctdlmirror_bench import compare as comparing
from ctdlmirror_bench.body import measure_body
from ctdlmirror_bench.bootstrap import measure_bootstrap
from ctdlmirror_bench.calendar import measure_calendar
from ctdlmirror_bench.fanout import measure_fanout
from ctdlmirror_bench.importing import measure_import
from ctdlmirror_bench.latency import measure_latency
from ctdlmirror_bench.leaves import measure_leaves
from ctdlmirror_bench.mail import measure_mail
from ctdlmirror_bench.nothing import measure_nothing
from ctdlmirror_bench.others import measure_dsync, measure_mbsync
from ctdlmirror_bench.printing import json_option, show
from ctdlmirror_bench.reconcile import measure_reconcile
from ctdlmirror_bench.scale import measure_commit, measure_users


@click.group()
def cli() -> None:
    """Measure a mirror: see docs/performance.md."""


@cli.command()
@click.option("--messages", default=100_000, show_default=True)
@click.option("--kind", type=click.Choice(["small", "mixed"]), default="small", show_default=True)
@json_option
@click.option(
    "--against", type=click.Choice(["dsync", "mbsync"]), help="Time another program with the same messages too."
)
@click.option("--bare/--no-bare", default=True, help="Compare with bare SQLite (holds all rows in memory).")
def bootstrap(messages: int, kind: str, as_json: bool, against: str | None, bare: bool) -> None:
    """Bootstrap over TLS, and what it costs when nothing is to do."""
    results = [measure_bootstrap(kind, messages, bare)]
    if against:
        results.append({"dsync": measure_dsync, "mbsync": measure_mbsync}[against](kind, messages))
    show(results, as_json)


@cli.command()
@click.option("--messages", default=10_000, show_default=True)
@click.option("--kind", type=click.Choice(["small", "mixed"]), default="small", show_default=True)
@json_option
def mail(messages: int, kind: str, as_json: bool) -> None:
    """A person's Maildir kept equal, beside isync's mbsync with Dovecot (Debian: dovecot-imapd, isync)."""
    show([measure_mail(kind, messages)], as_json)


@cli.command()
@click.option("--events", default=[1000, 5000], show_default=True, multiple=True)
@json_option
@click.option("--limit", default=300, show_default=True, help="Seconds after which vdirsyncer is stopped as it sends.")
def calendar(events: tuple[int, ...], as_json: bool, limit: int) -> None:
    """A person's calendar kept equal, beside vdirsyncer with Radicale (Debian: vdirsyncer, radicale)."""
    show([measure_calendar(count, limit) for count in events], as_json)


@cli.command()
@click.option("--records", default=[10_000, 100_000, 1_000_000], show_default=True, multiple=True)
@json_option
def nothing(records: tuple[int, ...], as_json: bool) -> None:
    """What it costs to learn that nothing is to do, by size of the store."""
    show([measure_nothing(list(records))], as_json)


@cli.command()
@click.option("--peers", default=40, show_default=True)
@click.option("--rate", default=200, show_default=True, help="Messages a second.")
@click.option("--seconds", default=20, show_default=True)
@json_option
def fanout(peers: int, rate: int, seconds: int, as_json: bool) -> None:
    """Many peers tail one node."""
    show([measure_fanout(peers, rate, seconds)], as_json)


@cli.command()
@click.option("--leaves", "count", default=40, show_default=True)
@click.option("--messages", default=1000, show_default=True, help="In the room already.")
@click.option("--changes", default=50, show_default=True, help="Messages that are posted then.")
@click.option("--seconds", default=60, show_default=True, help="Seconds at rest.")
@json_option
def leaves(count: int, messages: int, changes: int, seconds: int, as_json: bool) -> None:
    """A hub that shares a room with many leaves."""
    show([measure_leaves(count, messages, changes, seconds)], as_json)


@cli.command()
@click.option("--megabytes", default=1024, show_default=True)
@json_option
def body(megabytes: int, as_json: bool) -> None:
    """Bootstrap one huge body; memory on both sides."""
    show([measure_body(megabytes)], as_json)


@cli.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--sizes", "counts", default="1000,10000,100000", show_default=True, help="Messages.")
def plot(file: Path, counts: str) -> None:
    """Draw cost against size (needs matplotlib): seconds of a bootstrap and of bare SQLite."""
    try:
        from matplotlib import pyplot
    except ImportError:
        raise click.ClickException("matplotlib is not installed (pip install matplotlib)") from None
    results = [(count, measure_bootstrap("small", count)) for count in map(int, counts.split(","))]
    for name in ("seconds", "bare_sqlite_s"):
        pyplot.loglog([count for count, _ in results], [result[name] for _, result in results], "o-", label=name)
    pyplot.xlabel("messages of 2 KB")
    pyplot.ylabel("seconds")
    pyplot.legend()
    pyplot.savefig(file)
    show([result for _, result in results], False)


@cli.command()
@click.option("--messages", default=10_000, show_default=True)
@click.option("--changes", default=300, show_default=True)
@json_option
def latency(messages: int, changes: int, as_json: bool) -> None:
    """From the commit on one node to the commit on the other."""
    show([measure_latency(messages, changes)], as_json)


@cli.command()
@click.option("--records", default=1_000_000, show_default=True)
@click.option("--differences", default=100, show_default=True)
@json_option
def reconcile(records: int, differences: int, as_json: bool) -> None:
    """Find differences without a cursor."""
    show([measure_reconcile(records, differences)], as_json)


@cli.command("import")
@click.option("--messages", default=100_000, show_default=True)
@json_option
def import_export(messages: int, as_json: bool) -> None:
    """Import a MIGR export."""
    show([measure_import(messages)], as_json)


@cli.command()
@click.option("--records", default=[10_000, 100_000, 1_000_000], show_default=True, multiple=True)
@click.option("--rooms", default=[100, 1000], show_default=True, multiple=True)
@click.option("--users", default=100, show_default=True)
@json_option
def scale(records: tuple[int, ...], rooms: tuple[int, ...], users: int, as_json: bool) -> None:
    """What a change, a log-in and a user's info cost by size of the store."""
    show([*map(measure_commit, records), *(measure_users(count, users) for count in rooms)], as_json)


@cli.command("compare")
@click.argument("ref", default=comparing.FIRST_RELEASE)
@click.option(
    "--row", "rows", type=click.Choice(list(comparing.ROWS)), multiple=True, help="Only this row; repeatable."
)
@click.option("--pairs", default=3, show_default=True, type=click.IntRange(1))
@click.option("--floor", default=comparing.FLOOR, show_default=True, help="Exit with 1 if a row's median is under it.")
@json_option
def compare_with(ref: str, rows: tuple[str, ...], pairs: int, floor: float, as_json: bool) -> None:
    """Compare this tree with the commit REF (0.1.0 unless given), in pairs of runs.

    A ratio over 1 means that this tree is better; only the ratios of one run count.
    """
    results = comparing.compare(ref, list(rows or comparing.ROWS), pairs)
    if as_json:
        click.echo(json.dumps(results, indent=2))
    else:
        comparing.show(results, ref, floor)
    if any(one["median"] < floor for one in results):
        sys.exit(1)


@cli.command("all")
@json_option
def everything(as_json: bool) -> None:
    """Every row, in the sizes of docs/performance.md."""
    show(
        [
            measure_bootstrap("small", 100_000),
            measure_bootstrap("mixed", 5_000),
            measure_import(100_000),
            measure_nothing([10_000, 100_000, 1_000_000]),
            measure_latency(10_000, 300),
            measure_latency(1_000_000, 300),
            measure_reconcile(1_000_000, 100),
            measure_fanout(40, 200, 20),
            measure_body(1024),
            measure_leaves(40, 1000, 50, 60),
        ],
        as_json,
    )
