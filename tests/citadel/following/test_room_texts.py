"""Whose the texts and pictures of rooms are: which message is that of which room."""

from mirror.citadel.following.room_texts import Dated, match

HELLO, OTHER = (b"Hello",), (b"Other",)


def test_a_room_has_the_message_that_says_what_it_shows() -> None:
    messages = {7: Dated(HELLO, 100), 8: Dated(OTHER, 100)}
    assert match(messages, {1: Dated(OTHER, 100), 2: Dated(HELLO, 101), 3: Dated((b"Third",), 102)}) == {1: 8, 2: 7}


def test_a_room_that_changed_before_a_message_was_made_does_not_have_it() -> None:
    assert match({7: Dated(HELLO, 100)}, {1: Dated(HELLO, 99)}) == {}


def test_of_rooms_that_show_the_same_each_has_the_message_that_was_made_when_it_changed() -> None:
    messages = {7: Dated(HELLO, 100), 8: Dated(HELLO, 200)}
    assert match(messages, {1: Dated(HELLO, 200), 2: Dated(HELLO, 100)}) == {1: 8, 2: 7}
    assert match(messages, {1: Dated(HELLO, 250), 2: Dated(HELLO, 300)}) == {1: 8, 2: 7}


def test_what_cannot_be_read_is_nobodys() -> None:
    assert match({7: Dated(None, 100)}, {1: Dated(HELLO, 100)}) == {}
