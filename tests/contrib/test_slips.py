"""What a server mails twice by itself, told apart from what a mirror has it mail twice."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "contrib"))

from try_live.catchall import CatchAll, Mail
from try_live.mailing import Mailing
from try_live.slips import forwarded_twice, noted_elsewhere

ANN = "ann@elsewhere.example.net"


def mail(word: str, by: str, to: str = ANN) -> Mail:
    return Mail((to,), f"Subject: [Lobby] {word}\r\n\r\ntext\r\n".encode(), by)


class Asked:
    """An administrator's session, as far as it is asked: lines and listed posts by room."""

    def __init__(self, lines: dict[str, list[str]], posts: dict[str, list[str]]) -> None:
        self._of_rooms, self._room = {"GNET": lines, "MSGS ALL|0|0|1": posts}, ""

    def go(self, room: str) -> None:
        self._room = room

    def lines(self, command: str) -> list[str]:
        return self._of_rooms[command].get(self._room, [])


def test_what_one_server_forwarded_twice_is_its_own_and_what_two_forwarded_or_more_often_is_not() -> None:
    once, twice = [mail("a", "alpha")], [mail("b", "alpha"), mail("b", "alpha")]
    both = [mail("c", "alpha"), mail("c", "beta")]
    mails = [*once, mail("a", "alpha", "other@example.net"), *twice, *both, *[mail("d", "alpha")] * 3]
    assert [word for word in "abcd" if forwarded_twice(mails, word, ANN)] == ["b"]


def test_what_a_list_mailed_and_noted_in_the_room_of_mails_that_go_out_is_mailed_again() -> None:
    posts = {"News": ["7|1|Ann|x|a@x|word1", "9|1|Ann|x|a@x|[News] word2", "12|1|Ann|x|a@x|word3", ""]}
    elsewhere = {"__CitadelSMTPspoolout__": ["lastsent|9"], "News": ["lastsent|7", "listrecp|ann@example.net"]}
    assert noted_elsewhere(Asked(elsewhere, posts), "News") == ["word2"]
    assert noted_elsewhere(Asked({"News": ["lastsent|7"]}, posts), "News") == []
    assert noted_elsewhere(Asked({**elsewhere, "News": ["lastsent|9"]}, posts), "News") == []


def test_what_a_server_forwarded_twice_is_told_as_its_own_and_not_as_wrong_however_often_it_is_asked() -> None:
    with CatchAll() as mails:
        mailing = Mailing([], mails)
        mailing.expect("a", ANN)
        mailing.expect_forwarded("b", ANN)
        mails.mails += [mail("a", "alpha"), mail("b", "alpha"), mail("b", "alpha")]
        for _ in range(2):
            assert mailing.wrongly() == []
            assert mailing.own == ["b was forwarded twice by one server"]
        mails.mails += [mail("a", "alpha"), mail("b", "alpha")]
        told = [f"a was mailed to {ANN} 1 times more", f"b was mailed to {ANN} 2 times more"]
        assert sorted(mailing.wrongly()) == told
        assert mailing.own == []
