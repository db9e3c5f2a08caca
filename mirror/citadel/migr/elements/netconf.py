"""Lines of rooms that an export has among its settings: what of them is taken, once their room is known."""

from mirror.citadel.meaning.said_lines import tag_of_lines
from mirror.citadel.migr.proposals import as_taken, read_proposal
from mirror.citadel.migr.told import Told
from mirror.formats.errors import CitadelError
from mirror.model.kinds import Collection
from mirror.sync.share.rules import NETCONF, NETCONF_KEY


def propose(told: Told, key: str, text: str, line: int) -> None:
    """Keep what a setting says of a room until that room is told."""
    try:
        proposal = read_proposal(key, text, line)
    except CitadelError as error:
        told.lose(f"line {line}: <config>: {error}", "config")
    else:
        told.proposals[proposal.room] = proposal


def take_proposal(told: Told, room: int) -> None:
    """Write what a room's lines say, once it is known to be a room of ours."""
    proposal = told.proposals.pop(room, None)
    if proposal is None:
        return
    told.untrusted.add(told.key(room))
    collection = str(Collection(NETCONF, told.key(room)))
    if proposal.shares:
        where = f"line {proposal.line}: room #{room} shares with other nodes"
        told.report.notice(f"{where}: see 'ctdlmirror netconf import'")
    place, key = told.look.place, told.key(room)
    taken = told.store.read(lambda reader: as_taken(reader, place, key, collection, proposal))
    if taken is None:
        told.look.has(collection, [NETCONF_KEY])
    else:
        tag = tag_of_lines(proposal.body)
        told.draft(collection, NETCONF_KEY, told.created, taken.head, taken.body, tag=tag)
