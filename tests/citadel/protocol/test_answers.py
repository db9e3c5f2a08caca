"""What the cheap questions' answers say, and what moved between two of them."""

from hypothesis import given
from hypothesis import strategies as st

from mirror.citadel.following.pace import BUSY, IDLE, LEAST_S, Pace
from mirror.citadel.protocol.answers import (
    Present,
    RoomLine,
    Seen,
    moved,
    people,
    read_calls,
    read_numbers,
    read_rooms,
    read_seen,
    read_settings,
    read_time,
    read_users,
    read_version,
)

NAMES = st.sampled_from([b"Lobby", b"Talk", b"0000000001.Mail", b"Support"])
LINES = st.dictionaries(NAMES, st.builds(RoomLine, st.integers(0, 9), st.sampled_from([b"2|0", b"6|0"])))


def test_answers_are_read_as_they_were_recorded() -> None:
    """Recordings 13 and 17."""
    highest, settings = read_settings(
        [b"MMhighest|83", b"MMfulltext|54", b"c_humannode|Alpha", b"host_key|x", b"c_imap_port|143"]
    )
    assert (highest, settings) == (83, {b"c_humannode|Alpha"})
    assert read_time(b"200 1795976924|0|0|1795976923") == 1795976924
    assert read_time(b"530 unrecognized command") == 0
    rooms = read_rooms([b"Lobby|2|0|0|0|422|0|0|1795572704|", b"9999999999.6B.0001.Old|2|0|0|0|422|0|0|1795572704|"])
    assert rooms == {b"Lobby": RoomLine(1795572704, b"2|0|0|0|422|0|0")}
    assert read_users([b"admin|6|1|1795572707|0|0||"]) == read_users([b"admin|6|1|1795579999|3|1||"])
    assert read_users([b"admin|6|1|1795572707|0|0||"]) != read_users([b"admin|4|1|1795572707|0|0||"])
    assert read_numbers([b"10||1795572706", b"11|ev-1@example.org|1795572706"]) == [10, 11]


def test_who_is_not_logged_in_and_we_ourselves_are_nobody() -> None:
    ours = [b"2|(not logged in)|||citadel-mirror|1795976924|IDEN|.||||0", b"5|admin|Lobby|h|citadel-mirror|1|GOTO"]
    assert people(ours) == []
    assert people([*ours, b"7|Ann|Lobby|h|WebCit 980|1|NOOP"]) == [Present(b"Ann", b"Lobby")]


def test_what_a_user_has_seen_is_told_where_the_room_can_be_entered() -> None:
    mail = [b"200 Mail|1|1|0|16390|64|0|1|0|0|0|1|1|0|0|1795964921|"]
    assert read_seen(mail, [b"200 38:58,60"]) == Seen("38:58,60", "1", "1")
    assert read_seen([b"550 no such room"], [b"200 *:0"]) is None
    assert read_seen(mail, [b"530 not logged in"]) is None


def test_who_was_never_in_a_room_has_seen_nothing_and_views_it_as_all_do() -> None:
    assert Seen("*:0", "1", "1").says_nothing
    assert not Seen("*:0", "2", "1").says_nothing and not Seen("1:4", "1", "1").says_nothing


def test_users_are_listed_with_their_numbers_and_last_calls() -> None:
    assert read_calls([b"admin|6|1|1795572707|0|0||", b"odd|line"]) == {b"admin": (1, 1795572707)}


@given(LINES, LINES, st.integers(0, 12))
def test_rooms_are_listed_again_that_may_hold_something_new(
    before: dict[bytes, RoomLine], now: dict[bytes, RoomLine], looked: int
) -> None:
    found = moved(before, now, looked)
    for name, line in now.items():
        same = before.get(name) == line
        assert (name in found.rooms) == (not same or line.changed >= looked - 1)
    others = {name: line.rest for name, line in before.items()} != {name: line.rest for name, line in now.items()}
    assert found.others == others
    assert moved(now, now, looked) == moved(now, dict(now), looked), "what is the same list is looked through faster"


def ask(pace: Pace, began: float, ended: float, blocked: float = 0) -> None:
    pace.begin(began)
    pace.end(ended, blocked)


def test_what_took_long_is_asked_for_less_often() -> None:
    pace = Pace(300)
    assert pace.due(0)
    ask(pace, 0, 0.01)
    assert [pace.due(LEAST_S), pace.due(LEAST_S + 0.02)] == [False, True]
    for blocked, share in ((0, "took"), (1, "blocked")):
        pace = Pace(3600)
        ask(pace, 10, 11, blocked)
        idle, busy = getattr(IDLE, share), getattr(BUSY, share)
        assert [pace.due(11 + idle - 1), pace.due(11 + idle)] == [False, True]
        pace.wanted = True
        assert [pace.due(11 + busy - 1), pace.due(11 + busy)] == [False, True]
    pace = Pace(300)
    ask(pace, 100, 200)
    assert [pace.due(499), pace.due(500)] == [False, True]


def test_what_somebody_waits_for_is_asked_for_at_once() -> None:
    pace = Pace(300)
    ask(pace, 0, 100)
    pace.at_once = True
    assert pace.due(100)
    ask(pace, 100, 200)
    assert not pace.due(200)


def test_what_is_wanted_while_it_is_asked_for_still_is_afterwards() -> None:
    pace = Pace(3600)
    pace.wanted = True
    pace.begin(0)
    assert not pace.wanted
    pace.wanted = True
    pace.end(1)
    assert pace.wanted and pace.due(1 + BUSY.took)


def test_a_version_is_the_number_in_the_seventh_line() -> None:
    info = [
        b"100 Server info:",
        b"8",
        b"alpha",
        b"Alpha",
        b"alpha.example.org",
        b"Citadel Server 980",
        b"980",
        b"(null)",
    ]
    assert read_version(info) == b"980"
    assert read_version(info[:5]) == read_version([b"530 no"]) == b""
