"""What is here in files that other programs read: a whole export for a Citadel server, mail, calendars, files."""

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click

from mirror.citadel.migr.exporter import Exported, Exporter
from mirror.citadel.migr.places import Step
from mirror.citadel.migr.things import Part
from mirror.cli.app import cli
from mirror.cli.exported_files import Place, export_files
from mirror.cli.new_file import require_new, write_new
from mirror.cli.output import json_option, print_json, say
from mirror.cli.progress import Meters
from mirror.config.reading import load_config
from mirror.config.settings import Config
from mirror.store.base import Pinned
from mirror.store.open import pin_store

STANDARD_OUTPUT = "-"


_place = (str, click.Path(path_type=Path, file_okay=False))


@cli.command()
@click.option(
    "--migr",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="All of it as a MIGR export, which an empty Citadel server imports (- for standard output).",
)
@click.option("--rooms", multiple=True, metavar="PATTERN", help="--migr: only rooms with such names; may be repeated.")
@click.option(
    "--users",
    multiple=True,
    metavar="PATTERN",
    help="--migr: only users with such names, with their mailboxes; may be repeated.",
)
@click.option(
    "--maildir",
    type=_place,
    metavar="ROOM|USER DIR",
    help="Mail and posts as a Maildir; a user's folders as a Maildir++, with what is read and answered.",
)
@click.option("--ics", type=_place, metavar="ROOM|USER DIR", help="Calendar items and tasks, each an .ics file.")
@click.option("--vcf", type=_place, metavar="ROOM|USER DIR", help="Contacts, each a .vcf file.")
@click.option("--files", type=_place, metavar="ROOM DIR", help="A room's files.")
@json_option
@click.pass_obj
def export(
    directory: Path,
    migr: Path | None,
    rooms: tuple[str, ...],
    users: tuple[str, ...],
    maildir: Place,
    ics: Place,
    vcf: Place,
    files: Place,
    as_json: bool,
) -> None:
    """Write what is here into files that other programs read.

    The daemon may run meanwhile: what is written is the state of one moment.  No file is ever overwritten: repeated, it
    writes what is new, and names what is there with other contents.  A MIGR export holds all passwords, so only you may
    read it; FILE.map says what has another number or name in it than it had at its server, if anything has.
    """
    config = load_config(directory)
    others = {"maildir": maildir, "ics": ics, "vcf": vcf, "files": files}
    wanted = [(form, place) for form, place in others.items() if place is not None]
    if len(wanted) + (migr is not None) != 1:
        raise click.UsageError("say what to write: one of --migr, --maildir, --ics, --vcf and --files")
    if (rooms or users) and migr is None:
        raise click.UsageError("--rooms and --users are for --migr: name the room or user with the other options")
    with closing(pin_store(config.directory, config.store.url)) as reading:
        if migr is not None:
            _export_all(reading, config, Part(rooms, users), migr, as_json)
        else:
            (form, (name, target)), *_ = wanted
            export_files(reading, form, name, target, as_json)


def _export_all(reading: Pinned, config: Config, part: Part, file: Path, as_json: bool) -> None:
    with closing(Exporter(reading, config.node, part)) as exporter:
        report = _write_migr(exporter, file, as_json)
    _show_exported(report, file, as_json)


def _write_migr(exporter: Exporter, file: Path, quiet: bool) -> Exported:
    piped = str(file) == STANDARD_OUTPUT
    with Meters(quiet) as meters:
        exporter.tell(lambda step: meters.show(_title(step), step.done, step.total, "messages"))
        if piped:
            for block in exporter.blocks():
                sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
        else:
            beside = _map_of(file)
            require_new(beside)
            write_new(file, exporter.blocks())
            exporter.report.renumbered = _write_map(exporter, beside)
    return exporter.report


def _title(step: Step) -> str:
    return f"export: {step.what}"


def _map_of(file: Path) -> Path:
    return file.with_name(file.name + ".map")


def _write_map(exporter: Exporter, file: Path) -> int:
    """Write what has another number or name than it had, a line of JSON each; nothing where all is as it was."""
    given = exporter.given()
    first = next(given, None)
    if first is None:
        return 0
    lines = 0

    def blocks() -> Iterator[bytes]:
        nonlocal lines
        for one in (first, *given):
            lines += 1
            yield json.dumps(one._asdict(), ensure_ascii=False).encode() + b"\n"

    write_new(file, blocks())
    return lines


def _show_exported(report: Exported, file: Path, as_json: bool) -> None:
    piped = str(file) == STANDARD_OUTPUT
    if as_json:
        if piped:
            raise click.UsageError("--json tells of a file: name one")
        print_json({"file": str(file), "map": str(_map_of(file)) if report.renumbered else None, "export": report})
        return
    counts = report.elements
    told = ", ".join(f"{counts.get(name, 0)} {name}s" for name in ("message", "user", "room", "floor", "visit"))
    say(f"Server {report.server}: {told}, {counts.get('config', 0)} settings.", err=piped)
    for notice in report.notices:
        say(f"  {notice}", err=piped)
    if report.renumbered:
        say(f"{report.renumbered} things have other numbers or names than they had: {_map_of(file)} lists them.")
