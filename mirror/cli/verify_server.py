"""What 'verify' shows of a live server beside this node: counts and digests by collection, and what differs first."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

from mirror.citadel.bootstrap import ServerStage
from mirror.citadel.looked_over import verify_server
from mirror.citadel.meaning.kept_equal import SERVICE
from mirror.citadel.verify import NOTHING, Compared, Difference, Verified
from mirror.cli.doors import Door
from mirror.cli.output import SHOWN, print_json, print_table, say
from mirror.cli.progress import Meters
from mirror.config.settings import Config
from mirror.model.fields import values_of
from mirror.model.kinds import parse_collection
from mirror.store.base import Reading
from mirror.store.open import pin_store

RESTART = "restart the server: after an export one of version 980 does no housekeeping until then"


def compare_with_server(
    config: Config, door: Door, quiet: bool, things: Mapping[tuple[str, str], str] = NOTHING, **options: Any
) -> Verified:
    """Compare what this node holds of a server with what that has now, and show how far that has come.

    ``things`` are single records that may differ, as the account as whom the node writes into it; ``options`` are
    others of ``verify_server``.
    """
    titles = {ServerStage.EXPORT: f"export of {door.place}", ServerStage.FILES: "room files"}
    with closing(pin_store(config.directory, config.store.url)) as reading, Meters(quiet) as meters:
        return verify_server(
            reading,
            config.directory,
            door.place,
            door.user,
            door.password,
            node=config.node,
            things={**_service(config, door, reading), **things},
            directory=door.directory,
            exports=any(one.export_s for one in config.attachments),
            copying=lambda stage, done: meters.show(titles[stage], done),
            comparing=lambda done: meters.show("compare", done, unit="records"),
            **options,
        )


def _service(config: Config, door: Door, reading: Reading) -> dict[tuple[str, str], str]:
    """Return the account as whom this node writes into a server, as what may differ."""
    names = {one.service for one in config.attachments if one.place.where == door.place and one.direction == "both"}
    users = reading.read(lambda reader: [*reader.scan_all("users")]) if names else []
    return {("users", one.key): SERVICE for one in users if values_of(one).get("u_fullname") in names}


def show_server(found: Verified, place: str, declared: bool, as_json: bool) -> None:
    """Show what came of it; with ``declared`` also what may differ."""
    if as_json:
        print_json(
            {
                "equal": found.equal,
                "server": found.server,
                "collections": found.collections,
                "undeclared": found.undeclared,
                "differences": found.differences,
                "declared": found.declared,
                "unseen": found.unseen,
                **({"declared_differences": found.told} if declared else {}),
            }
        )
        return
    print_table("", ["what", "collections", "here", "at the server", ""], _rows(found.collections))
    _show("Differs", found.differences, found.undeclared)
    for why, count in found.declared.items():
        say(f"May differ, {count}: {why}")
    if declared:
        _show("Declared", found.told, sum(found.declared.values()))
    for line in found.unseen[:SHOWN]:
        say(f"Not compared: {line}")
    records = sum(one.here for one in found.collections)
    told = f"{found.server} has all {records} records as they are here" if found.equal else "NOT EQUAL"
    say(f"{told}: {found.undeclared} differences, {sum(found.declared.values())} more that are declared.")
    say(f"{place}: {RESTART}.", err=True)


def _rows(collections: Iterable[Compared]) -> list[list[str]]:
    """Return a row for each kind of collections, and one for each collection that differs."""
    kinds: dict[str, list[Compared]] = defaultdict(list)
    for one in collections:
        kinds[parse_collection(one.collection).kind].append(one)
    rows = []
    for kind, some in kinds.items():
        differing = [one for one in some if not one.equal]
        counts = [str(sum(one.here for one in some)), str(sum(one.there for one in some))]
        rows.append([kind, str(len(some)), *counts, "DIFFERS" if differing else "equal"])
        if "/" in some[0].collection:
            rows += [
                [f"  {one.collection}", "", f"{one.here} : {one.digest_here}", f"{one.there} : {one.digest_there}", ""]
                for one in differing[:SHOWN]
            ]
    return rows


def _show(title: str, differences: Iterable[Difference], count: int) -> None:
    if not count:
        return
    say(f"{title} ({count}):")
    for one in list(differences)[:SHOWN]:
        say(f"  {one.collection} {one.key!r} {one.field}: {one.here[:80]} | {one.there[:80]}")
    if count > SHOWN:
        say(f"  ... and {count - SHOWN} more; --json lists the first of them")
