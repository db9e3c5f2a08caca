"""What messages of rooms of configuration hold, by author and subject as version 980 makes them."""

from mirror.citadel.meaning.configuration import Holds, Kept, read_kept

ANSWER = [
    b"800 Send list of headers",
    b"2|Alice Liddell|Alice Liddell",
    b"62|Citadel|Profile submitted with EBIO command",
    b"83|Citadel|Photo uploaded by user",
    b"90|Citadel|inbox rules configuration",
    b"32|Citadel|Banner submitted with EINF command",
    b"82|Citadel|Image uploaded by admin user",
    b"36|admin|",
    b"7|Citadel|Imported room banner for Lobby | annex",
    b"000",
]


def test_who_made_a_message_and_its_subject_tell_what_it_holds() -> None:
    assert read_kept(ANSWER) == [
        Kept(2, Holds.ELSE),
        Kept(62, Holds.BIO),
        Kept(83, Holds.USER_PICTURE),
        Kept(90, Holds.RULES),
        Kept(32, Holds.ROOM_TEXT),
        Kept(82, Holds.ROOM_PICTURE),
        Kept(36, Holds.ELSE),
        Kept(7, Holds.ROOM_TEXT),
    ]


def test_a_subject_that_somebody_else_used_tells_nothing() -> None:
    assert read_kept([ANSWER[0], b"5|Ann|Photo uploaded by user"]) == [Kept(5, Holds.ELSE)]


def test_an_answer_to_another_question_tells_nothing() -> None:
    assert read_kept([b"100 ok", b"5|Citadel|1795964921", b"000"]) == []
    assert read_kept([]) == []
