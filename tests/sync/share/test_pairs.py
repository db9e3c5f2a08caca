"""Which rooms of two sides belong together."""

from typing import Any

import pytest

from mirror.sync.share.pairs import find_pairs
from mirror.wire.values import SharedRoom


def shared(key: str, name: str, remote: str = "", **how: Any) -> SharedRoom:
    return SharedRoom(key, name, remote, True, True, frozenset({"messages"}), **how)


@pytest.mark.parametrize(
    ("here", "there", "belong"),
    [
        (shared("a", "Lobby"), shared("b", "lobby"), True),
        (shared("a", "Caf\u00e9"), shared("b", "Cafe\u0301"), True),
        (shared("a", "Lobby", "Caf\u00e9"), shared("b", "Cafe\u0301"), True),
        (shared("a", "Lobby"), shared("b", "Foyer"), False),
        (shared("a", "Lobby", "Foyer"), shared("b", "Foyer"), True),
        (shared("a", "Lobby"), shared("b", "Foyer", "Lobby"), True),
        (shared("a", "Lobby", "Foyer"), shared("b", "Foyer", "Lobby"), True),
        (shared("a", "Lobby", "Foyer"), shared("b", "Foyer", "Bar"), False),
        (shared("a", "Lobby", "Bar"), shared("b", "Lobby"), False),
    ],
)
def test_rooms_belong_together_if_both_say_so(here: SharedRoom, there: SharedRoom, belong: bool) -> None:
    pairs, notes = find_pairs([here], [there], {})
    assert bool(pairs) == belong
    assert bool(notes) != belong


def test_what_was_found_to_belong_together_survives_any_names() -> None:
    pairs, _ = find_pairs([shared("a", "New", "Old there")], [shared("b", "New there", "Old")], {"a": "b"})
    assert [(pair.here.key, pair.there.key) for pair in pairs] == [("a", "b")]


def test_no_room_is_given_to_two_of_ours() -> None:
    pairs, notes = find_pairs([shared("a", "Lobby"), shared("c", "Bar", "Lobby")], [shared("b", "Lobby")], {})
    assert len(pairs) == len(notes) == 1


def test_where_several_fit_the_notes_say_which_one_it_is() -> None:
    _, notes = find_pairs([shared("a", "Caf\u00e9"), shared("c", "CAFE\u0301")], [shared("b", "Cafe\u0301")], {})
    assert notes == ["CAFE\u0301: the room there is shared with Caf\u00e9 (a) already, which fits as well"]
    _, notes = find_pairs([shared("a", "Lobby")], [shared("b", "X", "Lobby"), shared("d", "Y", "lobby")], {})
    assert notes == ["Lobby: shared with X there (b); Y would fit as well"]
