"""Invitations are carried by hand: whole or refused, however they were broken into lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.invitation import PREFIX, BadInvitation, Invitation, read_invitation, write_invitation

ONE = Invitation(
    "main", "standby", "mirror", ["main.example.org:2504", "[2001:db8::1]:2504"], "pin:ab", "s", 1_764_000_000
)


def test_what_was_written_is_read_also_from_several_lines() -> None:
    text = write_invitation(ONE)
    assert " " not in text and text.startswith(PREFIX)
    assert read_invitation(text) == read_invitation(f"  {text[:40]}\n   {text[40:]}\r\n") == ONE


@pytest.mark.parametrize("shown", ["main$ ctdlmirror peer invite b\n{}\nType 'join' at b.\n", "Type it:\n{}"])
def test_what_was_printed_around_it_may_be_copied_with_it(shown: str) -> None:
    text = write_invitation(ONE)
    assert read_invitation(shown.format(text)) == read_invitation(shown.format(f"{text[:60]}\n{text[60:]}")) == ONE


@given(st.data())
def test_a_letter_that_is_lost_or_another_is_noticed(data: st.DataObject) -> None:
    text = write_invitation(ONE)
    at = data.draw(st.integers(len(PREFIX), len(text) - 2))
    other = data.draw(st.sampled_from(["", "A", "b", "-", "!", "é"]))
    changed = text[:at] + other + text[at + 1 :]
    if changed != text:
        with pytest.raises(BadInvitation, match="not whole"):
            read_invitation(changed)


@pytest.mark.parametrize("text", ["", "hello", PREFIX, PREFIX + "x" * 20_000, "correct horse battery staple"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInvitation):
        read_invitation(text)
