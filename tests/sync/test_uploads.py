"""Who refers to a content has to have sent it whole."""

import hashlib

import pytest

from mirror.sync import uploads as module
from mirror.sync.uploads import KEPT_S, MAX_OPEN, Uploads, UploadsOfParties
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


def test_what_was_interrupted_goes_on_where_it_was() -> None:
    kept = UploadsOfParties()
    kept.of("user ann").add(part(0, 50))
    assert (kept.of("user ann").at(CONTENT), kept.of("user bob").at(CONTENT)) == (50, 0)
    kept.of("user ann").add(part(50, 100))
    assert kept.of("user ann").proved == {CONTENT}
    assert kept.of("user ann").at(CONTENT) == 0
    assert kept.of("user bob").proved == set()


def test_what_is_under_way_for_too_long_begins_anew() -> None:
    now = 0.0
    uploads = Uploads(lambda: now)
    uploads.add(part(0, 30))
    now = KEPT_S
    assert uploads.at(CONTENT) == 30
    uploads.add(part(30, 50))
    now += KEPT_S + 1
    assert uploads.at(CONTENT) == 0
    uploads.add(part(50, 100))
    assert uploads.proved == set()


def test_what_was_proved_long_ago_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PROVED", 1)
    monkeypatch.setattr(module, "MAX_PARTIES", 1)
    kept = UploadsOfParties()
    kept.of("user ann").add(part(0, 100))
    other = b"x" * 100
    kept.of("user ann").add(part(0, 100, other, hashlib.sha256(other).digest()))
    assert kept.of("user ann").proved == {hashlib.sha256(other).digest()}
    kept.of("user bob").add(part(0, 100))
    assert kept.of("user ann").proved == set()
