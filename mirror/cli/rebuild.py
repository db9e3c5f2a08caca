"""The way back: a lost Citadel server is made anew from what this node holds."""

import sys
from contextlib import closing
from pathlib import Path

import click

from mirror.citadel.host_files import home_of
from mirror.citadel.rebuild import MAY_DIFFER, REBUILT, RENUMBERED, Progress, Rebuilding, Rebuilt
from mirror.citadel.verify import Verified
from mirror.cli.app import EXIT_DIFFERENT, cli
from mirror.cli.doors import Door
from mirror.cli.output import SHOWN, json_option, print_json, say
from mirror.cli.progress import Meters
from mirror.cli.verify_server import RESTART, compare_with_server, show_server
from mirror.config.checking import parse_server_place
from mirror.config.errors import ConfigError
from mirror.config.reading import load_config
from mirror.config.settings import Config
from mirror.formats.errors import CitadelError
from mirror.store.open import pin_store

STATE_FILE = "rebuild.json"


@cli.command()
@click.argument("place", metavar="citadel:///DIRECTORY")
@click.option(
    "--server-dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Where the server has files/ and messages/.  [default: where it runs]",
)
@click.option("--no-verify", is_flag=True, help="Do not compare in the end.")
@json_option
@click.pass_obj
def rebuild(directory: Path, place: str, server_dir: Path | None, no_verify: bool, as_json: bool) -> None:
    """Make a lost Citadel server anew from what this node holds.

    DIRECTORY has the administrator's socket of an empty server of version 980 that runs on this machine, as it is
    after its first start; one that holds anything else is refused.  Users, rooms, messages and marks keep their
    numbers; the machine's name, the addresses and the ports that the new server listens on stay as they are.  Repeated
    after an interruption, it goes on where it was.  In the end all is compared, as by 'verify'; then restart the
    server.
    """
    config = load_config(directory)
    where = parse_server_place(place)
    if not isinstance(where.where, Path) or where.user:
        raise ConfigError(f"{place!r}: a server is rebuilt by citadel:///DIRECTORY, with its administrator's socket")
    rebuilt = _rebuild(config, where.where, server_dir, as_json)
    if not as_json:
        _show(rebuilt)
    equal = True
    if not no_verify:
        found = _compare(config, where.where, server_dir, rebuilt, as_json)
        equal = found.equal
        if as_json:
            print_json({"rebuilt": rebuilt, "verified": found, "equal": equal})
        else:
            show_server(found, place, False, False)
    elif as_json:
        print_json({"rebuilt": rebuilt})
    else:
        say(f"{place}: {RESTART}.", err=True)
    if rebuilt.refilled.refused:
        say(f"INCOMPLETE: {len(rebuilt.refilled.refused)} things could not be written", err=True)
        sys.exit(CitadelError.exit_code)
    sys.exit(0 if equal else EXIT_DIFFERENT)


def _rebuild(config: Config, place: Path, server_dir: Path | None, quiet: bool) -> Rebuilt:
    with closing(pin_store(config.directory, config.store.url)) as reading, Meters(quiet) as meters:

        def progress(told: Progress) -> None:
            meters.show(f"rebuild: {told.what}", told.done, told.total, told.unit)

        state = config.path(STATE_FILE)
        return Rebuilding(reading, config.node, place, state, directory=server_dir, progress=progress).run()


def _compare(config: Config, place: Path, server_dir: Path | None, rebuilt: Rebuilt, quiet: bool) -> Verified:
    door = Door(place, "", "", server_dir or home_of(place))
    declared = RENUMBERED if rebuilt.pairs else REBUILT
    return compare_with_server(
        config, door, quiet, keys=rebuilt.keys, declared=declared, things=MAY_DIFFER, made_anew=True
    )


def _show(rebuilt: Rebuilt) -> None:
    counts, done = rebuilt.elements, rebuilt.refilled
    if rebuilt.imported:
        told = ", ".join(f"{counts.get(name, 0)} {name}s" for name in ("message", "user", "room", "visit"))
        say(f"Server {rebuilt.server}: {told} imported.")
    else:
        say(f"Server {rebuilt.server} had imported all there is.")
    say(
        f"{done.texts} texts and {done.pictures} pictures of rooms, {done.files} files ({done.bytes:,} bytes) and "
        f"{done.banners} system messages written."
    )
    for line in rebuilt.notices:
        say(f"  {line}")
    for line in done.refused[:SHOWN]:
        say(f"Not written: {line}")
    if rebuilt.renumbered:
        say(f"{rebuilt.renumbered} things have other numbers or names than they had: 'export --migr' lists them.")
        say("Do not have this node follow the server before it is paired: it would have them twice (docs/limits.md).")
