"""How Citadel servers that are followed are asked for and shown: in a table, and what is amiss a line each."""

import time
from collections.abc import Iterator, Mapping, Sequence

from mirror.cli.local import ask_values
from mirror.cli.output import duration, print_table, say
from mirror.config.errors import ConfigError
from mirror.peer.remote import ChannelRemote
from mirror.wire.status import AttachmentStatus, MatchStatus, PairingStatus

NAMES = 20
"""Names of a kind that are printed of what is not paired."""


def statuses_of(node: ChannelRemote) -> list[AttachmentStatus]:
    """Return how it is with each server that a node follows."""
    return ask_values(node, "SYNC attachments|status", AttachmentStatus)


def status_named(statuses: list[AttachmentStatus], name: str) -> AttachmentStatus:
    """Return one attachment's status.  Raises ConfigError."""
    for one in statuses:
        if one.name == name:
            return one
    raise ConfigError(f"there is no attachment {name}; 'ctdlmirror attach list' shows those there are")


def print_attachments(attachments: Sequence[AttachmentStatus]) -> None:
    """Print a table of servers that are followed."""
    now = time.time()
    print_table("Attached", ["name", "place", "phase", "for", "as of", "written", "deleted", "error"], [
        [one.name, one.place, one.phase, duration(now - one.since) if one.since else "", as_of(one),
         str(one.written), str(one.deleted), one.error]
        for one in attachments
    ])  # fmt: skip


def as_of(one: AttachmentStatus) -> str:
    """Return how long ago it was that all of a server was here, but for what its export alone tells."""
    return f"{one.lag_s:.1f} s ago" if 0 < one.lag_s < 60 else duration(one.lag_s) + " ago" if one.looked else ""


def troubles(one: AttachmentStatus) -> Iterator[str]:
    """Yield what is not as it should be with a server that is followed."""
    if one.behind:
        yield "something has changed there that is not here yet"
    if one.pairing is not None:
        yield (
            f"WAITS: nothing comes before 'ctdlmirror attach approve {one.name}' confirmed how it is paired; "
            f"'ctdlmirror attach {one.place}' with other --pair... changes that"
        )
    for collection, count in one.held_there.items():
        yield (
            f"HELD BACK: {count} of {collection} were deleted elsewhere: 'ctdlmirror attach approve {one.name}' "
            "deletes them there, too, 'refuse' leaves them there"
        )
    for line in one.left_there:
        yield f"not written there: {line}"
    for held in one.held:
        yield (
            f"HELD BACK: {held.gone} of {held.told} of {held.collection} are gone there: 'ctdlmirror attach approve "
            f"{one.name}' deletes them here, too, 'refuse' keeps them"
        )
    if one.incomplete:
        yield f"INCOMPLETE: {one.incomplete}"


def print_pairing(told: PairingStatus, direction: str) -> None:
    """Print how a server is paired: what is one, what stays two though its name is the same, and what else there is."""
    columns = ["", "there", "number", "here", "key", "why"]
    print_table("One with what is here", columns, list(map(_row, told.pairs)))
    if told.alike:
        print_table("Stays two, each shown with its server's name", columns, list(map(_row, told.alike)))
    say(f"Comes here: {_counted(told.only_there)}. Only here: {_counted(told.only_here)}.")
    _print_names("comes here", told.names_there)
    _print_names("only here", told.names_here)
    if direction == "both":
        say(
            "Once that is approved, what is only here is written there, with all that is in it, and of what is one "
            "with what is here whatever is otherwise there: a user's password and level, too."
        )
    say(
        "Settings and system messages: each server keeps its own; with --settings shared those that are here stand, "
        "and a system message there that is another one goes to the conflict log."
    )


def _row(one: MatchStatus) -> list[str]:
    return [one.kind, one.there, str(one.number), one.here, one.key, one.why]


def _print_names(title: str, names: Mapping[str, Sequence[str]]) -> None:
    for kind, some in names.items():
        if some:
            more = ", ..." if len(some) > NAMES else ""
            say(f"    {title}: {kind} {', '.join(some[:NAMES])}{more}")


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())
