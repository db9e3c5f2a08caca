"""What cannot be seen by a door of a server is told, and nothing else."""

from pathlib import Path

from mirror.addresses import ServerPlace
from mirror.citadel.door import blind_spots

FILLED_IN = "system messages are taken as the server tells them"


def told(place: ServerPlace, export_s: float = 0.0, marks_s: float = 2.0) -> str:
    return "\n".join(blind_spots(place, export_s, marks_s))


def test_where_the_directory_of_a_socket_has_no_system_messages_that_is_told(tmp_path: Path) -> None:
    """As that of the door for the mirror's group has none, which is not the server's own."""
    place = ServerPlace(tmp_path)
    assert FILLED_IN in told(place)
    (tmp_path / "messages").mkdir()
    assert FILLED_IN not in told(place)


def test_what_exports_alone_tell_is_told_where_none_are_made(tmp_path: Path) -> None:
    place = ServerPlace(tmp_path)
    assert "answered marks, and which rooms users forgot" in told(place)
    assert "read and answered marks" in told(place, marks_s=0.0)
    assert "answered marks" not in told(place, export_s=300.0)
