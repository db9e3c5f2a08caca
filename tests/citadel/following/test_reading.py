"""What a server lists again and again is read once."""

from mirror.citadel.following.reading import Reading


def test_a_listing_is_read_again_only_where_it_is_another_one() -> None:
    read: list[list[bytes]] = []
    reading = Reading(lambda lines: read.append(lines) or dict.fromkeys(lines))
    first = reading([b"Lobby|1", b"Talk|1"])
    assert reading([b"Lobby|1", b"Talk|1"]) is first
    assert reading([b"Lobby|2", b"Talk|1"]) == {b"Lobby|2": None, b"Talk|1": None}
    assert reading([b"Lobby|1", b"Talk|1"]) == first
    assert len(read) == 3
