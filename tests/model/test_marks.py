"""A user's marks of a message as fields of a record, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.formats.maildir import FLAGS
from mirror.model.marks import KEYWORD, MARKS, is_keyword, mark_fields, mark_key, marks_in

SETS = st.sets(st.sampled_from([*MARKS, "$Label1", "Work"]))


@given(SETS, SETS)
def test_what_changed_of_marks_makes_the_one_set_of_the_other(before: set[str], now: set[str]) -> None:
    fields = dict.fromkeys(MARKS, False) | {f"{KEYWORD}{one}": False for one in ("$Label1", "Work")}
    held = fields | mark_fields(set(), before)
    assert marks_in(held) == before
    changed = mark_fields(before, now)
    assert marks_in(held | changed) == now
    assert len(changed) == len(before ^ now)


def test_fields_that_are_no_marks_say_nothing() -> None:
    assert marks_in({"v_flags": 4, "seen": 1, "answered": True, "keyword x": True, "other": True}) == {"answered", "x"}


def test_a_mark_belongs_to_a_user_and_a_message() -> None:
    assert mark_key("alpha:2", "id:a b") == "alpha:2 id:a b"


def test_the_marks_that_all_know_are_maildirs_flags() -> None:
    assert tuple(FLAGS) == MARKS


@pytest.mark.parametrize(
    ("mark", "is_one"),
    [
        ("$Label1", True),
        ("Grün", True),
        ("seen", False),
        ("a b", False),
        ("a(", False),
        ("", False),
        ("x" * 101, False),
    ],
)
def test_a_keyword_is_what_programs_of_mail_can_say(mark: str, is_one: bool) -> None:
    assert is_keyword(mark) is is_one
