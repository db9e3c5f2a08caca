"""What a real server told to who asked as its users, and of its rooms of configuration, held against its export.

Recording 19; the same questions are asked of a made-up server in test_follow_marks.
"""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from mirror.citadel.meaning.configuration import Holds, read_kept
from mirror.citadel.protocol.answers import read_seen

RECORDING = Path(__file__).parents[1] / "recordings" / "19-as-each-user.txt"
EXPORTED = "# exported "


class Told(NamedTuple):
    """An answer by its lines, the command, and what the export says of it."""

    command: str
    lines: list[bytes]
    exported: str


def told() -> Iterator[Told]:
    command, lines, exported = "", [], ""
    for line in [*RECORDING.read_text("utf-8").splitlines(), "C: "]:
        if line.startswith("C: "):
            if command:
                yield Told(command, lines, exported)
            command, lines = line[3:], []
        elif line.startswith(("S: ", "s: ")):
            lines = [*lines, line[3:].encode()]
        elif line.startswith(EXPORTED):
            # It stands before the command that enters the room, and speaks of what is asked there.
            yield Told(command, lines, exported)
            command, exported = "", line.removeprefix(EXPORTED)


def test_what_a_user_has_seen_is_told_to_the_byte_as_an_export_tells_it() -> None:
    answers = list(told())
    found = [
        (read_seen(entered.lines, seen.lines), seen.exported)
        for entered, seen in pairwise(answers)
        if seen.command == "GTSN"
    ]
    assert len(found) == 12
    for seen, exported in found:
        assert seen is not None and f"{seen.numbers} {seen.view}" == exported


def test_after_its_turn_a_session_is_nobodys_again() -> None:
    (answer,) = [one for one in told() if one.command == "USER SYS_Citadel"]
    assert answer.lines == [b"570 SYS_Citadel not found."]


def test_what_messages_of_rooms_of_configuration_hold_is_what_an_export_names() -> None:
    of_user, of_server = [one for one in told() if one.command.startswith("MSGS")]
    held = {one.holds: one.number for one in read_kept(of_user.lines)}
    assert of_user.exported == f"bio {held[Holds.BIO]} picture {held[Holds.USER_PICTURE]}"
    kept = read_kept(of_server.lines)
    texts = [one.number for one in kept if one.holds is Holds.ROOM_TEXT]
    pictures = [one.number for one in kept if one.holds is Holds.ROOM_PICTURE]
    assert of_server.exported == f"texts {texts[0]} pictures {pictures[0]}" and len(kept) == 4
