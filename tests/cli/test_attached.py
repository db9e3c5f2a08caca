"""What is not as it should be with a server that is followed, in words."""

from mirror.cli.attached import as_of, troubles
from mirror.wire.status import AttachmentStatus, HeldStatus


def told(**values: object) -> AttachmentStatus:
    return AttachmentStatus("alpha", "citadel:///x", ["*"], "from", "follow", **values)  # type: ignore[arg-type]


def test_one_that_does_well_has_no_troubles() -> None:
    assert list(troubles(told(phase="following", looked=1e9, lag_s=0.5))) == []


def test_what_is_behind_held_back_and_not_whole_is_a_line_each_with_what_to_do() -> None:
    held = [HeldStatus("messages/alpha:1", 30, 40), HeldStatus("users", 11, 12)]
    lines = list(troubles(told(behind=True, held=held, incomplete="2 room files were refused")))
    assert lines == [
        "something has changed there that is not here yet",
        "HELD BACK: 30 of 40 of messages/alpha:1 are gone there: 'ctdlmirror attach approve alpha' deletes them here, "
        "too, 'refuse' keeps them",
        "HELD BACK: 11 of 12 of users are gone there: 'ctdlmirror attach approve alpha' deletes them here, too, "
        "'refuse' keeps them",
        "INCOMPLETE: 2 room files were refused",
    ]


def test_how_old_what_is_here_is_in_words() -> None:
    assert as_of(told()) == ""
    assert as_of(told(looked=1e9, lag_s=0.52)) == "0.5 s ago"
    assert as_of(told(looked=1e9, lag_s=3700.0)) == "1h1m ago"
