"""What is decided about a thing of a place, from what it said last, what is here and what is there now."""

import pytest

from mirror.model.draft import Base, base_of
from mirror.model.edit import successor, tombstone, with_fields
from mirror.model.fields import Field, fields_at, pack_fields
from mirror.model.record import Record, record_crc, unpack_head
from mirror.model.stamp import make_stamp
from mirror.model.status import Status
from mirror.sync.foreign.plan import Step, There, gone, held_back, plan, plan_gone

ORIGIN = "citadel:alpha"
DAY = make_stamp(86_400_000)


def user(stamp: int = 5, **values: str | bool) -> Record:
    return Record("users", "alpha:1", stamp, ORIGIN, 1, head=fields_at(values, stamp, ORIGIN))


def bio(text: bytes) -> Record:
    return Record("bios", "alpha:1", 5, ORIGIN, 1, body=text)


def message(key: str, body: bytes) -> Record:
    return Record("messages/r", key, 5, ORIGIN, 1, body=body)


def event(summary: str, place: str) -> Record:
    lines = f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:x\nSUMMARY:{summary}\nLOCATION:{place}\nEND:VEVENT\nEND:VCALENDAR"
    return message("euid:x", lines.encode())


def there(record: Record, foreign: str = "1", tag: str = "", rising: frozenset[str] = frozenset()) -> There:
    return There(foreign, record, record.body, tag, rising)


def status(record: Record, base: Base | None = None, foreign: str = "1") -> Status:
    said = there(record).said
    return Status(record.collection, foreign, record.key, "", base or base_of(record), record_crc(record), said)


def renamed(held: Record, stamp: int = 20, origin: str = "m", **values: str) -> Record:
    return with_fields(held, held.collection, held.key, values, stamp, origin)


def test_what_is_new_keeps_its_derived_version() -> None:
    step = plan(None, None, there(user(name="Ann")), looked=True)
    assert (step.merge, step.draft) == (user(name="Ann"), None)
    assert step.status is not None and step.status.said.keys() == {"name"}


def test_of_what_is_here_unremembered_the_places_own_versions_are_what_it_said_last() -> None:
    here = renamed(user(name="Ann", phone="1"), name="Anna")
    draft = plan(None, here, there(user(name="Anne", phone="2", mail="a@x")), looked=True).draft
    assert draft is not None and unpack_head(draft.head) == {"phone": "2", "mail": "a@x"}


def test_what_another_place_has_is_paired_with_what_is_here_which_stands() -> None:
    """Last night's version is no edit, and what was deleted since is not taken back; what is not here comes."""
    old = user(name="Ann")
    for here in (renamed(old, name="Anna"), old, tombstone(old, 20, "m")):
        step = plan(None, here, there(user(name="Anne")), looked=False, pairing=True)
        assert (step.merge, step.draft, step.rise) == (None, None, None)
        assert step.status is not None and step.status.said == there(user(name="Anne")).said
    assert plan(None, None, there(old), looked=False, pairing=True).merge == old


def test_an_item_that_both_made_is_merged() -> None:
    here = successor(None, event("Supper", "Kitchen"), 20, "m")
    assert plan(None, here, there(event("Tea", "Kitchen")), looked=True).merge == event("Tea", "Kitchen")


def test_what_is_said_again_changes_nothing_whatever_is_here() -> None:
    held = user(name="Ann")
    for here in (held, renamed(held, name="Anna"), tombstone(held, 20, "m"), None):
        assert plan(status(held), here, there(held), looked=True) == Step()


def test_only_what_changed_there_is_named() -> None:
    held = user(name="Ann", phone="1", mail="a@x")
    here = renamed(held, name="Anna")
    draft = plan(status(held), here, there(user(name="Ann", phone="2", mail="a@x")), looked=True).draft
    assert draft is not None
    assert (unpack_head(draft.head), draft.base) == ({"phone": "2"}, base_of(here))


def test_what_changed_on_both_sides_names_a_base_that_has_not_seen_what_is_here() -> None:
    held = user(name="Ann", phone="1")
    here = renamed(held, name="Anna")
    draft = plan(status(held), here, there(user(name="Anne", phone="1")), looked=True).draft
    assert draft is not None
    assert (unpack_head(draft.head), draft.base) == ({"name": "Anne"}, base_of(held))


def test_what_changed_alike_on_both_sides_is_no_draft() -> None:
    held = user(name="Ann")
    step = plan(status(held), renamed(held, name="Anna"), there(user(name="Anna")), looked=True)
    assert step.draft is None and step.status is not None


def test_a_field_that_the_place_never_said_stands_as_it_is_here_and_is_added_where_it_is_not() -> None:
    held = user(name="Ann")
    here = renamed(held, phone="1")
    draft = plan(status(held), here, there(user(name="Ann", phone="2", mail="a@x")), looked=True).draft
    assert draft is not None and unpack_head(draft.head) == {"mail": "a@x"}


def test_a_field_that_is_gone_there_is_emptied() -> None:
    held = user(name="Ann", phone="1", seen=True, none="")
    draft = plan(status(held), held, there(user(name="Ann")), looked=True).draft
    assert draft is not None and unpack_head(draft.head) == {"phone": "", "seen": False}


def test_a_field_that_was_emptied_and_is_said_again_is_written() -> None:
    held = renamed(user(name="Ann", phone="1"), phone="")
    draft = plan(status(user(name="Ann")), held, there(user(name="Ann", phone="2")), looked=True).draft
    assert draft is not None and (unpack_head(draft.head), draft.base) == ({"phone": "2"}, base_of(held))


def test_the_greatest_of_a_rising_field_is_taken_once_a_day() -> None:
    def called(ago: int) -> There:
        fields = {"name": Field("Ann", 5, ORIGIN), "called": Field(str(ago), 5 + ago, ORIGIN)}
        record = Record("users", "alpha:1", 5 + ago, ORIGIN, 1, head=pack_fields(fields))
        return there(record, rising=frozenset({"called"}))

    first = plan(None, None, called(0), looked=False)
    assert first.status is not None and first.merge is not None
    for ago in (0, 1, DAY - 1):
        assert plan(first.status, first.merge, called(ago), looked=True) == Step()
    step = plan(first.status, first.merge, called(DAY), looked=True)
    assert (step.draft, step.rise and unpack_head(step.rise.head)) == (None, {"called": [str(DAY), 5 + DAY, ORIGIN]})
    assert plan(first.status, tombstone(first.merge, 20, "m"), called(DAY), looked=True) == Step()


def test_a_deletion_here_stands_until_the_place_was_looked_at_as_a_whole() -> None:
    held = user(name="Ann")
    dead = tombstone(held, 20, "m")
    first = plan(None, dead, there(held), looked=False)
    assert (first.merge, first.draft) == (None, None) and first.status is not None
    again = plan(None, dead, there(held), looked=True)
    assert again.draft is not None and again.draft.base == base_of(dead)


def test_an_edit_there_of_what_was_deleted_here_names_a_base_that_has_not_seen_the_deletion() -> None:
    held = user(name="Ann")
    draft = plan(status(held), tombstone(held, 20, "m"), there(user(name="Anna")), looked=True).draft
    assert draft is not None and (draft.base, draft.dead) == (base_of(held), False)


def test_what_the_place_never_said_before_is_no_edit_of_what_was_deleted_here() -> None:
    """So it is of a room that was just made there, as which number it has."""
    held = user(name="Ann")
    step = plan(status(held), tombstone(held, 20, "m"), there(user(name="Ann", number="7")), looked=True)
    assert step.draft is None and step.status is not None
    both = plan(status(held), tombstone(held, 20, "m"), there(user(name="Anna", number="7")), looked=True).draft
    assert both is not None and (both.base, unpack_head(both.head)) == (base_of(held), {"name": "Anna"})


def test_an_edit_there_of_what_nothing_tells_of_any_more_makes_it_anew_as_a_whole() -> None:
    step = plan(status(user(name="Ann", phone="1")), None, there(user(name="Anna", phone="1")), looked=True)
    assert step.draft is not None and step.draft.base is None
    assert unpack_head(step.draft.head) == {"name": "Anna", "phone": "1"}


def test_of_an_item_the_parts_that_changed_there_are_named() -> None:
    held = event("Tea", "Kitchen")
    here = successor(held, event("Supper", "Kitchen"), 20, "m")
    for now in (held, here):
        draft = plan(status(held), now, there(event("Tea", "Garden")), looked=True).draft
        assert draft is not None
        assert [name.rpartition("\n")[2] for name in draft.changed] == ["LOCATION"]
        assert draft.base == base_of(held)  # a base that had seen the other part's edit would replace the whole


def test_a_page_that_changed_on_both_sides_names_a_base_that_has_not_seen_what_is_here() -> None:
    held = bio(b"one")
    here = successor(held, bio(b"two"), 20, "m")
    draft = plan(status(held), here, there(bio(b"three")), looked=True).draft
    assert draft is not None and (draft.base, draft.body) == (base_of(held), b"three")
    assert plan(status(held), here, there(bio(b"two")), looked=True).draft is None


def test_an_item_under_a_new_number_is_an_edit_and_a_message_is_none() -> None:
    step = plan(
        status(message("id:x", b"one")), message("id:x", b"one"), there(message("id:x", b"1"), "2"), looked=True
    )
    assert (step.draft, step.merge) == (None, None)
    assert step.status is not None and step.status.foreign == "2"


def test_what_is_gone_there_is_deleted_as_far_as_the_place_had_seen_it() -> None:
    held = user(name="Ann")
    draft = plan_gone(status(held), held)
    assert draft is not None and draft.dead and draft.base == base_of(held)
    here = renamed(held, name="Anna")
    contested = plan_gone(status(held), here)
    assert contested is not None and contested.base == base_of(held)
    assert plan_gone(status(held), tombstone(held, 20, "m")) is None
    assert plan_gone(status(held), None) is None


@pytest.mark.parametrize(
    ("missing", "told", "held"), [(10, 10, False), (11, 11, True), (11, 44, False), (12, 44, True), (0, 0, False)]
)
def test_more_deletions_than_a_share_wait(missing: int, told: int, held: bool) -> None:
    assert held_back(missing, told) is held


def test_what_is_listed_no_more_is_found_in_one_pass_over_both() -> None:
    told = [status(user(name="x"), foreign=name) for name in ("1", "10", "2", "3", "9")]

    def found(*listed: str) -> list[str]:
        return [one.foreign for one in gone(iter(told), iter(sorted(listed)))]

    assert found("1", "10", "2", "3", "9", "11") == []
    assert found("0", "10", "3", "30") == ["1", "2", "9"]
    assert found() == ["1", "10", "2", "3", "9"]
