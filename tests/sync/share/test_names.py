"""A record under the other side's name of its room, and nothing else of it changed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.model.kinds import KINDS
from mirror.model.record import Record
from mirror.sync.share.names import KIND_OF, room_of_record, settings_of, translate, what_of

NAMES = {"a:1": "b:9"}


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        (("messages/a:1", "id:x"), ("messages/b:9", "id:x")),
        (("visits/a:1", "a:7 id:x"), ("visits/b:9", "a:7 id:x")),
        (("files/a:1", "a:1"), ("files/b:9", "a:1")),
        (("rooms", "a:1"), ("rooms", "b:9")),
        (("room-info", "a:1"), ("room-info", "b:9")),
        (("pictures", "room a:1"), ("pictures", "room b:9")),
        (("pictures", "user a:1"), None),
        (("pictures", "a:1"), None),
        (("messages/a:2", "id:x"), None),
        (("rooms", "a:2"), None),
        (("users", "a:1"), None),
        (("netconf/a:1", "netconf"), None),
        (("orphans", "a:1"), None),
    ],
)
def test_a_record_is_translated_or_none_of_theirs(place: tuple[str, str], wanted: tuple[str, str] | None) -> None:
    record = Record(*place, 5, "a", 1, head=b"", body=b"text")
    new = translate(record, NAMES)
    assert (None if new is None else (new.collection, new.key)) == wanted
    if new is not None:
        assert msgspec.structs.replace(new, collection=record.collection, key=record.key) == record


@given(st.sampled_from(sorted(KINDS)), st.sampled_from(("a:1", "room a:1", "id:x")))
def test_translating_there_and_back_changes_nothing(kind: str, key: str) -> None:
    record = Record(f"{kind}/a:1" if KINDS[kind].per_room else kind, key, 5, "a", 1)
    new = translate(record, NAMES)
    assert (new is not None) == (room_of_record(record) == "a:1")
    assert new is None or translate(new, {"b:9": "a:1"}) == record


def test_everything_that_a_rule_names_has_its_place() -> None:
    places = [(f"{kind}/a:1", "k") for kind in KIND_OF.values()] + settings_of("a:1")
    assert [room_of_record(Record(*place, 5, "a", 1)) for place in places] == ["a:1"] * 6
    assert {what_of(Record(*place, 5, "a", 1)) for place in places} == {*KIND_OF, "settings"}
