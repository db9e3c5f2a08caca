"""Who refers to a content has to have sent it whole."""

import hashlib

from mirror.sync.uploads import MAX_OPEN, Uploads
from mirror.wire.values import ContentPart

BODY = b"0123456789" * 10
CONTENT = hashlib.sha256(BODY).digest()


def part(offset: int, end: int, body: bytes = BODY, content: bytes = CONTENT) -> ContentPart:
    return ContentPart(content, offset, len(body), body[offset:end])


def test_parts_in_order_prove_a_content() -> None:
    uploads = Uploads()
    uploads.add(part(0, 50))
    assert uploads.proved == set()
    uploads.add(part(50, 100))
    assert uploads.proved == {CONTENT}


def test_a_missing_beginning_gap_or_other_byte_proves_nothing() -> None:
    for parts in (
        [part(50, 100)],
        [part(0, 40), part(50, 100)],
        [part(0, 50), part(50, 100, b"?" * 100)],
        [part(0, 50), part(0, 40), part(50, 100)],
    ):
        uploads = Uploads()
        for one in parts:
            uploads.add(one)
        assert uploads.proved == set()


def test_just_so_many_contents_are_under_way() -> None:
    uploads = Uploads()
    uploads.add(part(0, 50))
    for number in range(MAX_OPEN):
        uploads.add(part(0, 50, content=number.to_bytes(32, "big")))
    uploads.add(part(50, 100))
    assert uploads.proved == set()
    uploads.add(part(0, 100))
    assert uploads.proved == {CONTENT}
