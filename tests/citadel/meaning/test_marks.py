"""Read and answered marks by the sets that a server tells, of which long ones do not tell all."""

from mirror.citadel.meaning.marks import LONG_BYTES, Sets, Visitor, changes, shortened, tag_of
from mirror.formats.sequence_set import CUT_BYTES
from mirror.model.fields import values_of
from mirror.model.record import Version

VISITS, VERSION = "visits/alpha:1", Version(1, "citadel:alpha")


def scattered(first: str, size: int) -> str:
    """Return a set of so many bytes that begins with a range, and ends with numbers of seven digits."""
    parts, number = [first], 1_000_001
    while len(",".join(parts)) + 8 <= size:
        parts.append(str(number))
        number += 2
    text = ",".join(parts)
    return text + "0" * (size - len(text))


def changed(old: str, new: str, *numbers: int, was: bool = True) -> dict[int, object]:
    """Return what changed of the marks of messages, by their numbers; None where they were taken back."""
    visitor = Visitor("alpha:2", Sets.of(old), Sets.of(new))
    messages = [(f"id:{number}", number if was else 0, number) for number in numbers]
    found = changes(VISITS, visitor, messages, VERSION)
    return {one.number: None if one.now is None else dict(values_of(one.now.record)) for one in found}


def test_what_is_newly_in_a_set_was_read_and_what_is_not_any_more_was_taken_back() -> None:
    assert changed(tag_of("1,3", ""), tag_of("3,5", "3"), 1, 3, 5, 7) == {
        1: None,
        3: {"seen": True, "answered": True},
        5: {"seen": True},
    }


def test_what_a_server_took_for_read_to_make_a_set_shorter_is_no_edit() -> None:
    short, long = tag_of("1:10,30,50", ""), tag_of(scattered("1:50", LONG_BYTES), "")
    assert changed(short, long, 5, 20, 50, 1_000_001) == {1_000_001: {"seen": True}}


def test_what_it_left_out_of_answered_ones_is_no_edit_either() -> None:
    short, long = tag_of("", "10,30,50"), tag_of("", scattered("50", LONG_BYTES))
    assert changed(short, long, 10, 30, 50, 1_000_001) == {1_000_001: {"answered": True}}


def test_once_a_set_is_short_again_it_tells_all() -> None:
    long, short = tag_of(scattered("1:50", LONG_BYTES), ""), tag_of("1:2000000", "")
    assert changed(long, short, 20, 1_000_001, 1_000_002) == {20: {"seen": True}, 1_000_002: {"seen": True}}


def test_of_what_was_not_there_before_a_long_set_is_the_best_that_is_told() -> None:
    long = tag_of(scattered("1:50", LONG_BYTES), "")
    assert changed(long, long, 20, 60, was=False) == {20: {"seen": True}}


def test_behind_the_end_of_a_set_that_was_cut_nothing_is_told() -> None:
    short, cut = tag_of("1:10,2000000", ""), tag_of(scattered("1:10", CUT_BYTES), "")
    assert changed(short, cut, 2_000_000, 1_000_001) == {1_000_001: {"seen": True}}


def test_a_set_that_may_have_been_made_shorter_is_named() -> None:
    assert shortened(scattered("1:50", LONG_BYTES)).startswith("it takes 3900 bytes")
    assert shortened("1:50") == ""
