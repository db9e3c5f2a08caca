"""The trial of scenarios on two servers, as far as it can be told without a server."""

import json
import queue
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[2] / "contrib"))

from try_live.commands import cli
from try_live.gate import AFTER, BEFORE, WITHIN, Gate, Stop
from try_live.scenarios.running import Result, chosen
from try_live.scenarios.table import SCENARIOS, NotHeld, require_equal
from try_live.showing import show_result, show_results

DOCS = (Path(__file__).parents[2] / "docs" / "citadel.md").read_text("utf-8")


def test_the_page_names_every_scenario_and_what_has_to_hold() -> None:
    table = DOCS.partition("### Scenarios")[2].partition("\n#")[0]
    told = re.findall(r"^\| `([a-z0-9-]+)` \| (.+?) \|$", table, re.M)
    assert told == [(one.name, one.holds) for one in SCENARIOS.values()]


def test_all_are_carried_out_where_none_is_named_and_those_that_are_in_their_order() -> None:
    assert chosen(()) == [*SCENARIOS.values()]
    assert [one.name for one in chosen(("two-mx", "mail-on-both", "two-mx"))] == ["mail-on-both", "two-mx"]


def test_a_name_that_there_is_not_is_wrong_usage(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["scenarios", str(tmp_path), "nonsense"])
    assert result.exit_code == 2
    assert "there is no scenario 'nonsense'; --list lists them" in result.output


def test_they_are_listed_without_a_server() -> None:
    result = CliRunner().invoke(cli, ["scenarios", "--list"])
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.output.splitlines()] == [*SCENARIOS]


def test_a_directory_without_a_server_is_told(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["scenarios", str(tmp_path), "two-mx"])
    assert result.exit_code == 3
    assert "has no citserver" in result.output


def test_what_does_not_hold_is_told_by_both_values() -> None:
    with pytest.raises(NotHeld, match=r"mails on beta: \[\] in place of \['one'\]"):
        require_equal([], ["one"], "mails on beta")


GOOD = Result("two-mx", "one mail is one message", 4.2, "1 message", "")
BAD = Result("mail-on-both", "both are there", 5.0, "", "NotHeld: none is")


def test_each_is_a_line_and_all_are_another(capsys: pytest.CaptureFixture[str]) -> None:
    for one in (GOOD, BAD):
        show_result(one)
    show_results([GOOD, BAD], as_json=False)
    show_results([GOOD], as_json=False)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "4.2 s two-mx one mail is one message (1 message)",
        "5.0 s mail-on-both NOT AS IT SHOULD BE: NotHeld: none is",
        "1 of 2 hold, 9 s",
        "NOT AS IT SHOULD BE: mail-on-both",
        "1 of 1 hold, 4 s",
        "ALL HOLD",
    ]


def test_scripts_are_told_all_values(capsys: pytest.CaptureFixture[str]) -> None:
    show_results([GOOD, BAD], as_json=True)
    assert json.loads(capsys.readouterr().out) == [GOOD._asdict(), BAD._asdict()]


# -- the gate -------------------------------------------------------------------------------------------------


@pytest.fixture
def behind() -> Iterator[socket.socket]:
    """What is behind a gate: it listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


class Passage(NamedTuple):
    gate: Gate
    reached: "queue.Queue[Stop]"
    client: socket.socket
    server: socket.socket


@contextmanager
def passage(behind: socket.socket, *stops: Stop, begins: str = "") -> Iterator[Passage]:
    """Give a gate with stops, where the stops that were reached are, and both ends of a connection through it."""
    reached: queue.Queue[Stop] = queue.Queue()
    listening = socket.create_server(("127.0.0.1", 0))
    connect = partial(socket.create_connection, behind.getsockname())
    with Gate(listening, connect, stops, reached, begins) as gate:
        client = socket.create_connection(listening.getsockname())
        server, _ = behind.accept()
        for end in (client, server):
            end.settimeout(10)
        yield Passage(gate, reached, client, server)
        client.close()
        server.close()


def test_what_no_stop_is_for_goes_through_both_ways(behind: socket.socket) -> None:
    with passage(behind, Stop("MOVE", BEFORE)) as (gate, _, client, server):
        client.sendall(b"NOOP\nDELE MOVE\n")
        assert server.recv(100) == b"NOOP\nDELE MOVE\n"
        server.sendall(b"200 ok\n")
        assert client.recv(100) == b"200 ok\n"
        assert gate.left == [Stop("MOVE", BEFORE)]


@pytest.mark.parametrize(
    ("when", "comes"), [(BEFORE, b"NOOP\n"), (WITHIN, b"NOOP\nm7 APPE"), (AFTER, b"NOOP\nm7 APPEND {9}\nx")]
)
def test_a_stop_holds_before_within_or_after_its_command(behind: socket.socket, when: str, comes: bytes) -> None:
    with passage(behind, Stop("APPEND", when), begins="m[0-9]+ ") as (gate, reached, client, server):
        client.sendall(b"NOOP\nm7 APPEND {9}\nx")
        assert server.recv(len(comes), socket.MSG_WAITALL) == comes
        server.sendall(b"answered")
        assert reached.get(timeout=10) == Stop("APPEND", when)
        assert gate.left == []
        gate.drop()
        assert (client.recv(100), server.recv(100)) == (b"", b"")


def test_each_stop_holds_once_and_that_before_a_command_first(behind: socket.socket) -> None:
    stops = [Stop("MOVE", BEFORE), Stop("MOVE", AFTER)]
    with passage(behind, *stops) as (gate, reached, client, _):
        client.sendall(b"MOVE 1\n")
        assert reached.get(timeout=10) == stops[0]
        assert gate.left == stops[1:]
