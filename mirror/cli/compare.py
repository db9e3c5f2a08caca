"""What 'verify' shows: two nodes side by side, or the rooms that are shared with a peer."""

from mirror.cli.local import ask_values, sharing_status
from mirror.cli.output import print_json, print_table, say
from mirror.config.errors import ConfigError
from mirror.peer.remote import ChannelRemote
from mirror.store.values import Listing, Substitute
from mirror.sync.share.verify import compare_shares
from mirror.sync.substitutes import Substitutes, by_collection
from mirror.sync.verify import compare_nodes
from mirror.wire.status import AsideStatus, ComparisonStatus

SHOWN = 5


def compare_with_mirror(ours: ChannelRemote, theirs: ChannelRemote, peer: str) -> ComparisonStatus:
    """Compare all that two nodes hold."""
    return compare_nodes(ours, theirs, substitutes=_set_aside(ours, peer))


def _set_aside(ours: ChannelRemote, peer: str) -> Substitutes:
    """Return what stands for what of ours, since records of the peer were set aside here."""
    return by_collection(
        Substitute(
            one.collection,
            Listing(one.own_stamp, one.key, int(one.own_crc, 16)) if one.own_crc else None,
            Listing(one.stamp, one.key, int(one.crc, 16)),
        )
        for one in ask_values(ours, f"SYNC all|aside|{peer}", AsideStatus)
    )


def compare_with_partner(node: str, ours: ChannelRemote, theirs: ChannelRemote, peer: str) -> ComparisonStatus:
    """Compare all rooms that are shared with a peer."""
    rooms = compare_shares(ours.getall, theirs, sharing_status(ours).paired.get(peer, {}))
    return ComparisonStatus(node, peer, node, rooms=rooms)


# -- showing ------------------------------------------------------------------------------------------


def show_nodes(found: ComparisonStatus, as_json: bool) -> None:
    """Show how two mirrors differ, or in one line that they do not."""
    if as_json:
        print_json(
            {
                "equal": found.equal,
                "digests": dict(zip((found.here, found.there), found.digests, strict=True)),
                "differing": list(found.differing),
                "aside": found.aside,
                "records": found.records,
            }
        )
        return
    if found.differing:
        rows = [[name, *digests] for name, digests in found.differing.items()]
        print_table("DIFFERS (count : newest stamp : sum of CRCs)", ["collection", found.here, found.there], rows)
    for name, records in found.records.items():
        for what in records.__struct_fields__:
            for key in getattr(records, what):
                say(f"{name}: {what.replace('_', ' ')}: {key}")
    say(
        f"All {found.collections} collections are equal{_but_for(found)}."
        if found.equal
        else f"{len(found.differing)} of {found.collections} collections differ."
    )


def _but_for(found: ComparisonStatus) -> str:
    if not found.aside:
        return ""
    where = f"aside list {found.there}'" if found.told_by == found.here else f"aside list {found.here}' there"
    return f" but for {found.aside} records set aside ('ctdlmirror {where})"


def show_rooms(found: ComparisonStatus, notes: list[str], as_json: bool) -> None:
    """Show how the rooms that are shared with a peer differ; ``notes`` are what to know besides.

    Raises ConfigError where nothing is shared with it.
    """
    if not found.rooms and not notes:
        raise ConfigError(f"no room is shared with {found.there}, or no daemon runs; 'ctdlmirror room list' tells")
    wrong = [one for one in found.rooms if not one.equal]
    if as_json:
        print_json({"equal": not wrong, "rooms": found.rooms, "notes": notes})
        return
    rows = [
        [one.room, one.there, one.what, str(one.records),
         "equal" if one.equal else f"{len(one.missing)} missing here, {len(one.unsent)} missing there"]
        for one in found.rooms
    ]  # fmt: skip
    print_table("", ["room", f"at {found.there}", "what", "records", ""], rows)
    for one in wrong:
        for where, keys in (("here", one.missing), ("there", one.unsent)):
            for key in keys[:SHOWN]:
                say(f"{one.room}, {one.what}: missing {where}: {key}")
    for note in notes:
        say(note)
    say(f"{len(wrong)} of {len(rows)} differ." if wrong else f"All {len(rows)} that both sides show are equal.")
