"""What is remembered of an item says later what both sides agreed on."""

import pytest
from persons import event

from mirror.client.planning import SMALL, pack_held, said_of, status_of
from mirror.client.server import Held
from mirror.formats.vdir_item import body_of, parse_file
from mirror.model.draft import Base
from mirror.model.record import INLINE_LIMIT, Record

ROOM = "messages/a:1"


@pytest.mark.parametrize("size", [1, SMALL, INLINE_LIMIT])
def test_what_a_file_said_is_known_of_messages_of_any_size(size: int) -> None:
    text = event().replace("END:VEVENT", f"DESCRIPTION:{'x' * size}\r\nEND:VEVENT")
    body = body_of(parse_file(text.encode()), None, "alpha", 1_700_000_000)
    held = Held(Record(ROOM, "euid:a", 7, "alpha", 7), body, 5)
    status = status_of(ROOM, "a.ics", "tag", "euid:a", 5, pack_held(held))
    assert status is not None
    assert status.base == Base(7, "alpha", born=7)
    assert status.said == said_of(held.record, body) and status.said


def test_a_small_message_is_remembered_as_it_is_and_a_large_one_is_not() -> None:
    small, large = (
        pack_held(Held(Record(ROOM, "euid:a", 7, "alpha", 7), b"\xffA\x04" + b"x" * size, 5))
        for size in (SMALL - 3, SMALL)
    )
    assert b"x" * (SMALL - 3) in small and len(large) < 100
