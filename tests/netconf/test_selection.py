"""What a rule's filters let through."""

import pytest

from netconf.selection import Facts, Selection

NOW_MS = 1_800_000_000_000
HEADERS = {"list-id": ["<news.example.org>"]}
FACTS = Facts(
    NOW_MS - 3_600_000, 2000, 50, "Ann Lee", "ann@example.org", "[news] Hello", lambda name: HEADERS.get(name, [])
)


@pytest.mark.parametrize(
    ("selection", "passes"),
    [
        (Selection(), True),
        (Selection(since_ms=NOW_MS - 3_600_000), True),
        (Selection(since_ms=NOW_MS), False),
        (Selection(after_number=49), True),
        (Selection(after_number=50), False),
        (Selection(max_age_s=3600), True),
        (Selection(max_age_s=3599), False),
        (Selection(max_size=2000), True),
        (Selection(max_size=1999), False),
        (Selection(author="ann*"), True),
        (Selection(author="*@EXAMPLE.org"), True),
        (Selection(author="bob*"), False),
        (Selection(subject="[[]news]*"), True),
        (Selection(subject="*goodbye*"), False),
        (Selection(headers=(("list-id", "*news*"),)), True),
        (Selection(headers=(("list-id", "*news*"), ("x-spam", "no"))), False),
        (Selection(author="ann*", subject="*goodbye*"), False),
    ],
)
def test_all_conditions_must_hold(selection: Selection, passes: bool) -> None:
    assert selection.lets_through(FACTS, NOW_MS) is passes


def test_what_was_never_imported_is_new_to_ignet() -> None:
    assert Selection(after_number=1000).lets_through(FACTS._replace(number=0), NOW_MS)


def test_a_rule_knows_what_it_has_to_read() -> None:
    assert Selection().all and Selection().by_time_alone
    assert Selection(since_ms=5).by_time_alone and not Selection(since_ms=5, max_size=1).by_time_alone
    assert Selection(author="x").by_text and not Selection(max_size=1).by_text


def test_a_selection_tells_when_a_message_becomes_too_old() -> None:
    selection = Selection(max_age_s=60)
    fades = selection.fades(FACTS.stamp_ms)
    assert fades is not None
    assert selection.lets_through(FACTS, fades - 1) and not selection.lets_through(FACTS, fades)
    assert Selection(since_ms=5, max_size=1).fades(FACTS.stamp_ms) is None
