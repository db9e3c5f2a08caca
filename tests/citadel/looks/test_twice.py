"""Which of two messages are one that two servers fetched."""

from mirror.citadel.looks.twice import is_same
from mirror.formats.message import serialize_message

MADE_S = 1_690_000_000
TEXT = "Content-type: text/plain\n\nnews\n"
ENTRY = (
    "Content-type: text/html; charset=UTF-8\nContent-Transfer-Encoding: quoted-printable\n\n<html><head></head><body>"
)


def message(name: str, time_s: int = MADE_S, text: str = TEXT) -> bytes:
    fields = {"I": name, "T": str(time_s), "A": "Ann", "U": "s", "M": text}
    return serialize_message([(letter, value.encode()) for letter, value in fields.items()], 4)


def test_messages_are_the_same_but_for_their_ids_where_they_say_the_same_at_one_time() -> None:
    one, other = f"{MADE_S:08X}-00000001@alpha", f"{MADE_S + 9:08X}-00000007@beta"
    assert is_same(message(one), message(other))
    assert not is_same(message(one), message(other, text="other"))
    assert not is_same(message(one), message(other, MADE_S + 1))


def test_mails_that_came_with_ids_of_their_own_are_the_same_by_these() -> None:
    assert is_same(message("a@x"), message("a@x"))
    assert not is_same(message("a@x"), message("b@x"))
    assert not is_same(message("a@x"), message(f"{MADE_S:08X}-00000001@alpha"))


def test_a_feeds_entries_that_bear_no_time_are_the_same_whenever_they_were_fetched() -> None:
    one, other = f"{MADE_S:08X}-00000001@alpha", f"{MADE_S + 900:08X}-00000007@beta"
    first, later = message(one, MADE_S, ENTRY), message(other, MADE_S + 900, ENTRY)
    assert is_same(first, later)
    assert not is_same(first, later, dated=True)
    assert not is_same(first, message(other, MADE_S + 100, ENTRY))
    assert not is_same(message(one), message(other, MADE_S + 900))
