"""What follows a server, as a daemon runs it: what it says of a pairing that waits, and what approving does."""

from collections.abc import Callable
from pathlib import Path

from mirror.addresses import ServerPlace
from mirror.citadel.meaning.keys import Pair
from mirror.citadel.meaning.pairing import Consent, Match, Pairing
from mirror.config.settings import Attachment
from mirror.server.following import ServerFollower, consent_of
from mirror.store.sqlite.store import SqliteStore
from mirror.wire.status import AttachmentStatus, MatchStatus, PairingStatus

PLACE = ServerPlace(Path("/run/beta"))


def test_a_pairing_that_waits_is_told_and_approved_but_not_refused(make_store: Callable[..., SqliteStore]) -> None:
    one = Attachment("beta", PLACE, pair_users=("ann",))
    follower = ServerFollower(make_store("m"), one, "")
    assert not follower.approve()
    match = Match(Pair("users", 3, "alpha:2", 2), "Ann", "ann", "agreed to")
    state = follower._following.state
    only = {"users": 1}, {"users": 2}, {"users": ["Cy"]}, {"users": ["Bob", "Dora"]}
    state.pairing, state.phase = Pairing([match], [], *only), "pairing"
    told = AttachmentStatus("beta", str(PLACE), ["*"], "from", "follow")
    follower.describe(told)
    assert told.phase == "pairing"
    assert told.pairing == PairingStatus([MatchStatus("users", "Ann", "ann", 3, "alpha:2", "agreed to")], [], *only)
    assert follower.approve()
    assert not follower.refuse()


def test_a_server_is_paired_only_where_the_configuration_says_so() -> None:
    assert consent_of(Attachment("beta", PLACE)) is None
    assert consent_of(Attachment("beta", PLACE, pair=True)) == Consent((), ())
    assert consent_of(Attachment("beta", PLACE, pair_rooms=("T*",))) == Consent((), ("T*",))
