"""The trial of two servers that are kept equal, as far as it can be told without a server."""

import base64
import smtplib
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from made_live import LiveServer, listening
from made_live import Session as LiveSession

sys.path.insert(0, str(Path(__file__).parents[2] / "contrib"))

from try_live.catchall import CatchAll
from try_live.changing import Done
from try_live.commands import cli
from try_live.exports import DECLARED, WHOLE, Contents, Difference, differences, read_export, read_files, read_lines
from try_live.measuring import lag_at
from try_live.operations import KINDS
from try_live.pair import WRITTEN, Paired, Round
from try_live.session import Session

from mirror.citadel.bootstrap import ADMIN_SOCKET

DOCS = (Path(__file__).parents[2] / "docs" / "citadel.md").read_text()


def stored(form: int, text: str, anonymous: str = "A", **fields: str) -> bytes:
    told = "".join(f"{letter}{value}\0" for letter, value in fields.items())
    return b"\xff" + anonymous.encode() + bytes([form]) + told.encode() + b"M" + text.encode() + b"\0"


def exported(number: int, *messages: bytes, room: str = "{:010d}.Mail", level: int = 4) -> Contents:
    """Return what is read of an export of a server on which Ann has a number, with messages in one room."""
    lines = ["<citadel_migrate_data>", f"<user><u_fullname>Ann</u_fullname><u_usernum>{number}</u_usernum>"]
    lines[-1] += f"<u_axlevel>{level}</u_axlevel></user>"
    numbers = [str(100 * number + at) for at in range(len(messages))]
    lines.append(f"<room_messages><FRname>{room.format(number)}</FRname><FRmsglist>{','.join(numbers)}</FRmsglist>")
    lines.append("</room_messages>")
    for name, data in zip(numbers, messages, strict=True):
        text = base64.b64encode(data).decode()
        lines.append(f"<message><msg_msgnum>{name}</msg_msgnum><msg_text>{text}</msg_text></message>")
    return read_lines(line.encode() for line in [*lines, "</citadel_migrate_data>"])


def undeclared(one: Contents, other: Contents) -> list[Difference]:
    return [found for found in differences(one, other) if not found.declared]


def test_one_message_in_one_mailbox_is_the_same_whatever_the_numbers_and_how_it_was_written() -> None:
    one = exported(2, stored(1, "hello  there\n", I="a@x", A="Ann", O="Mail"))
    other = exported(3, stored(4, "Content-type: text/plain\n\n\nhello\nthere\n", I="a@x", A="Ann", O="in transit"))
    found = differences(one, other)
    assert {difference.field for difference in found} == {"format", "headers", "O", "u_usernum"}
    assert undeclared(one, other) == []


@pytest.mark.parametrize(
    ("other", "fields"),
    [
        ([], {WHOLE}),
        ([stored(1, "other words", I="a@x", A="Ann")], {WHOLE}),
        ([stored(1, "hello", I="a@x", A="Bob")], {"A"}),
        ([stored(1, "hello", I="a@x", A="Ann", R="b@x")], {"R"}),
        ([stored(1, "hello", I="a@x", A="Ann", V="ann@alpha")], {"V"}),
        ([stored(1, "hello", I="a@x", A="Ann")] * 2, {WHOLE}),
    ],
)
def test_what_is_missing_there_twice_or_otherwise_is_a_difference(other: list[bytes], fields: set[str]) -> None:
    found = undeclared(exported(2, stored(1, "hello", I="a@x", A="Ann")), exported(2, *other))
    assert {difference.field for difference in found} == fields


def test_a_mail_that_came_to_both_has_the_address_at_which_each_took_it_in() -> None:
    one, other = (exported(2, stored(4, "\n\nhello", I="a@x", V=f"ann@{name}")) for name in ("alpha", "beta"))
    assert [difference.field for difference in differences(one, other)] == ["V"]
    assert undeclared(one, other) == []


def test_a_message_is_in_its_room() -> None:
    data = stored(1, "hello", I="a@x")
    assert undeclared(exported(2, data), exported(2, data, room="Lobby"))
    assert undeclared(exported(2, data, room="Lobby"), exported(2, data, room="Lobby")) == []


def test_what_is_never_written_is_declared() -> None:
    assert undeclared(exported(2, stored(1, "hello", "B", I="a@x")), exported(2)) == []


def marked(seen: str, password: str = "pw", flags: int = 2, begin: int = 0) -> Contents:
    """Return what is read of a server on which Ann has marks in a room of three posts, numbered from one."""
    lines = ["<citadel_migrate_data>", "<user><u_fullname>Ann</u_fullname><u_usernum>2</u_usernum>"]
    lines[-1] += f"<u_axlevel>4</u_axlevel><u_password>{password}</u_password></user>"
    lines.append(f"<room><QRname>Lobby</QRname><QRnumber>1</QRnumber><QRflags>{flags}</QRflags></room>")
    numbers = range(begin, begin + 3)
    listed = ",".join(map(str, numbers))
    lines.append(f"<room_messages><FRname>Lobby</FRname><FRmsglist>{listed}</FRmsglist></room_messages>")
    for number in numbers:
        text = base64.b64encode(stored(4, "Content-type: text/plain\n\nhello", I=f"{number - begin}@x")).decode()
        lines.append(f"<message><msg_msgnum>{number}</msg_msgnum><msg_text>{text}</msg_text></message>")
    lines.append(f"<visit><v_roomnum>1</v_roomnum><v_usernum>2</v_usernum><v_seen>{seen}</v_seen></visit>")
    return read_lines(line.encode() for line in [*lines, "</citadel_migrate_data>"])


def test_marks_are_the_same_whatever_numbers_messages_have() -> None:
    assert undeclared(marked("*:11", begin=10), marked("100:101,105", begin=100)) == []
    (found,) = undeclared(marked("*:11", begin=10), marked("100,102", begin=100))[:1]
    assert (found.sort, found.name) == ("marks", "Ann in Lobby")


@pytest.mark.parametrize("left_out", [{"password": ""}, {"flags": 2 | 4}])
def test_marks_that_cannot_be_written_are_not_compared(left_out: dict[str, Any]) -> None:
    assert undeclared(marked("1", **left_out), marked("2", **left_out)) == []


def test_an_item_is_what_it_says_in_whatever_order_and_version() -> None:
    def card(*lines: str) -> Contents:
        text = "\n".join(["Content-type: text/x-vcard", "", "BEGIN:VCARD", *lines, "END:VCARD"])
        return exported(2, stored(4, text, E="c1", I="c@x"))

    assert (
        undeclared(card("VERSION:3.0", "FN:Ann", "TEL:1"), card("TEL:1", "FN;charset=UTF-8:Ann", "VERSION:2.1")) == []
    )
    (found,) = undeclared(card("FN:Ann", "TEL:1"), card("FN:Ann", "TEL:2"))
    assert (found.sort, found.field) == ("items", "says")


def test_files_are_compared_as_they_are_in_the_directories_of_their_rooms(tmp_path: Path) -> None:
    rooms = {"Files": {"QRflags": str(2 | 32), "QRdirname": "files"}, "Talk": {"QRflags": "2", "QRdirname": "files"}}
    (tmp_path / "files").mkdir()
    for name in ("a.bin", "filedir"):
        (tmp_path / "files" / name).write_bytes(b"data")
    assert [*read_files(rooms, tmp_path)] == ["Files: a.bin"]
    before = read_files(rooms, tmp_path)
    (tmp_path / "files" / "a.bin").write_bytes(b"DATA")
    assert read_files(rooms, tmp_path) != before


def test_of_a_user_the_number_may_differ_and_the_level_not() -> None:
    assert undeclared(exported(2), exported(3)) == []
    assert [one[:3] for one in undeclared(exported(2), exported(3, level=5))] == [("users", "Ann", "u_axlevel")]
    assert [one[:3] for one in undeclared(exported(2), exported(3, level=0))] == [("users", "Ann", WHOLE)]


def test_rooms_of_a_servers_own_are_not_compared() -> None:
    assert exported(2, stored(1, "hello", I="a@x"), room="{:010d}.My Citadel Config")["messages"] == {}


def test_each_mail_that_is_caught_is_counted_with_whom_it_goes_to() -> None:
    with CatchAll() as mails:
        for subject in ("one", "two"):
            with smtplib.SMTP("127.0.0.1", mails.port) as session:
                session.sendmail("a@x", ["b@y", "c@y"], f"Subject: {subject}\r\n\r\n.dots\r\n")
    assert [(mail.subject, mail.to) for mail in mails.mails] == [("one", ("b@y", "c@y")), ("two", ("b@y", "c@y"))]
    assert mails.mails[0].data.endswith(b"\r\n.dots\r\n")


def paired(mails: int = 0, sent: int = 1, damage: str = "", *found: Difference) -> Paired:
    rounds = [Round(10, 1, 2.0, list(found), damage)]
    done = Done(Counter(), Counter())
    return Paired("", 1, done, rounds, ["x@y: hello"] * mails, sent, 0, [], [1.0, 3.0], {"alpha": 1.0}, 10.0)


class Emptied(LiveServer):
    """Has one visit whose set is empty, of a user who had read up to message 2."""

    def _gtsn(self, _rest: str, _session: LiveSession) -> bytes:
        return b"200 *:2\n"


def test_a_set_that_is_exported_as_one_number_is_what_the_server_shows(tmp_path: Path) -> None:
    server = Emptied()
    server.user(2, "Ann", u_password="pw")
    server.room(1, "Lobby")
    for name in ("one", "two", "three"):
        server.post(1, name, name=f"{name}@alpha")
    server.visit(1, 2, "2")
    with listening(server, tmp_path) as directory, Session(directory / ADMIN_SOCKET) as session:
        marks = read_export(session)["marks"]["Ann in Lobby"]
    assert sorted(name.split(" ")[1] for name in marks) == ["one@alpha", "two@alpha"]


def test_a_trial_of_two_servers_fails_for_each_thing_that_is_not_as_it_should_be() -> None:
    assert paired(0, 1, "", Difference("messages", "x", "format", "1", "4")).faults == []
    assert paired(2, 1).faults == ["2 mails left the servers"]
    assert paired(0, 0).faults == ["a mail to somebody outside left 0 times"]
    assert paired(0, 1, "a digest is wrong").faults == ["'check' after round 1: a digest is wrong"]
    lost = Difference("messages", "Lobby: a@x", WHOLE, "there", "nothing")
    assert paired(0, 1, "", lost).faults == ["1 differences after round 1"]


def test_times_are_told_by_their_share() -> None:
    assert (lag_at([3.0, 1.0, 2.0], 0.5), lag_at([3.0, 1.0, 2.0], 0.99), lag_at([], 0.5)) == (2.0, 3.0, 0.0)


def test_what_is_changed_is_a_kind_of_change() -> None:
    assert KINDS.keys() >= set(WRITTEN)


def test_the_page_lists_what_may_differ_between_two_servers() -> None:
    rows = "".join(f"| {one.sort} | `{one.field}` | {one.why} |\n" for one in DECLARED)
    assert f"| what | field | why |\n| --- | --- | --- |\n{rows}\n" in DOCS


def test_a_directory_without_a_server_is_told(tmp_path: Path) -> None:
    assert CliRunner().invoke(cli, ["pair", str(tmp_path)]).exit_code == 3
