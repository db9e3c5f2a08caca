"""The trial of a bootstrap against a real server, as far as it can be shown without one: what it deals, compares, says.

The server itself is not here: docs/citadel.md says how the whole is run.
"""

import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[2] / "contrib"))

from try_live import imap, keeper
from try_live.changing import Done, Sizes, deal
from try_live.commands import cli
from try_live.comparing import LEFT_OUT, Difference, differences, feed_end, posted_since, read_node, written_since
from try_live.errors import Refused, TrialFailed
from try_live.following import Followed, Phase
from try_live.following import Plan as FollowPlan
from try_live.measuring import Figures, Load, resident, rows, spent
from try_live.measuring import Sizes as MeasuredSizes
from try_live.operations import KINDS
from try_live.session import Session
from try_live.trial import Bootstrap, Findings
from try_live.waiting import look_until

from mirror.citadel.meaning.declared import BODY, BYTES, EXPECTED, KEY, MESSAGE, VOID, WHOLE
from mirror.formats.keys import BORN_IMPORTED
from mirror.model.fields import fields_at
from mirror.model.record import Record, pack_head
from mirror.store.open import open_store

CONTRIB = Path(__file__).parents[2] / "contrib"
DOCS = (Path(__file__).parents[2] / "docs" / "citadel.md").read_text("utf-8")
MS = 1 << 16


# -- the kinds of changes ---------------------------------------------------------------------------------


def test_every_kind_is_dealt_before_any_is_dealt_twice() -> None:
    dealt = [kind.name for kind in deal(len(KINDS) + 50, random.Random(1))]
    assert set(dealt[: len(KINDS)]) == set(KINDS)
    assert len(dealt) == len(KINDS) + 50


def test_a_seed_deals_the_same_again_and_another_one_something_else() -> None:
    first, again, other = ([kind.name for kind in deal(200, random.Random(seed))] for seed in (7, 7, 8))
    assert first == again != other


def test_the_page_names_every_kind_of_change_in_its_row() -> None:
    table = re.findall(r"^\| (.+?) \| (.+?) \|$", DOCS.partition("### What is changed")[2].partition("\n#")[0], re.M)
    told = {row: set(kinds.split(", ")) for row, kinds in table[2:]}
    rows: dict[str, set[str]] = {}
    for kind in KINDS.values():
        rows.setdefault(kind.row, set()).add(kind.name)
    assert told == rows


# -- comparing ----------------------------------------------------------------------------------------------


def node_with(directory: Path, *records: Record) -> Path:
    directory.mkdir(exist_ok=True)
    store = open_store(directory, "node")
    store.write(lambda writer: writer.absorb(list(records)))
    store.close()
    return directory


def user(stamp: int, **values: str) -> Record:
    head = fields_at({"u_fullname": "Ann"} | values, stamp, "citadel:alpha")
    return Record("users", "alpha:2", stamp, "citadel:alpha", BORN_IMPORTED, head=head)


def message(stamp: int, key: str, body: bytes) -> Record:
    head = pack_head({"msg_msgnum": "7"})
    return Record("messages/alpha:1", key, stamp, "citadel:alpha", BORN_IMPORTED, head=head, body=body)


def test_the_same_contents_in_other_versions_are_no_difference(tmp_path: Path) -> None:
    dead = Record("users", "alpha:9", 9 * MS, "citadel:alpha", BORN_IMPORTED, dead=True)
    left = node_with(tmp_path / "left", user(5 * MS), message(5 * MS, "id:1", b"text"), dead)
    right = node_with(tmp_path / "right", user(6 * MS), message(6 * MS, "id:1", b"text"))
    assert differences(read_node(left), read_node(right)) == []


def test_a_difference_names_record_field_and_both_sides(tmp_path: Path) -> None:
    left = node_with(tmp_path / "left", user(5 * MS, u_axlevel="4"), message(5 * MS, "id:1", b"text"))
    right = node_with(
        tmp_path / "right", user(5 * MS, u_axlevel="5"), message(5 * MS, "id:1", b"other"), message(5 * MS, "id:2", b"")
    )
    body, record, level = differences(read_node(left), read_node(right))
    assert body[:3] == ("messages/alpha:1", "id:1", BODY) and body.left != body.right
    assert record[:3] == ("messages/alpha:1", "id:2", WHOLE) and record.left is None
    assert level == ("users", "alpha:2", "u_axlevel", "4", "5")
    assert not any(one.expected for one in (body, record, level))


def test_what_a_restored_server_posts_itself_is_told_from_what_comes_back(tmp_path: Path) -> None:
    old, new = message(5_999 * MS, "id:1", b"back again"), message(6_000 * MS, "id:2", b"rooms were purged")
    node = node_with(tmp_path / "node", user(9_000 * MS), old, new)
    assert posted_since(node, 6.9) == {("messages/alpha:1", "id:2")}


def visited(key: str, **values: str | bool) -> list[Record]:
    """Return a record of what a user has seen in a room, and the room and the user."""
    room = fields_at({"QRdefaultview": "1"}, 5 * MS, "citadel:alpha")
    visit = fields_at(values, 5 * MS, "citadel:alpha")
    return [
        Record("rooms", "alpha:1", 5 * MS, "citadel:alpha", BORN_IMPORTED, head=room),
        user(5 * MS),
        Record("visits/alpha:1", key, 5 * MS, "citadel:alpha", BORN_IMPORTED, head=visit),
    ]


def test_a_mark_that_was_taken_back_is_one_that_never_was(tmp_path: Path) -> None:
    left = node_with(tmp_path / "left", *visited("alpha:2 id:1", seen=True, answered=False))
    right = node_with(tmp_path / "right", *visited("alpha:2 id:1", seen=True))
    assert differences(read_node(left), read_node(right)) == []
    other = node_with(tmp_path / "other", *visited("alpha:2 id:1", seen=True, answered=True))
    assert [one.field for one in differences(read_node(left), read_node(other))] == ["answered"]


@pytest.mark.parametrize(
    "key, values, found",
    [
        ("alpha:2", {"v_usernum": "2", "v_seen": "*:0", "v_view": "1", "v_flags": "0"}, []),
        ("alpha:2", {"v_seen": "*:0", "v_view": "1", "v_flags": "4"}, [("v_flags", True)]),
        ("alpha:2", {"v_seen": "5", "v_view": "0"}, [("v_seen", False), ("v_view", False)]),
        ("alpha:2 id:1", {"seen": True}, [("seen", False)]),
        ("alpha:2 id:1", {"answered": True}, [("answered", True)]),
        ("alpha:2@7", {"v_seen": "5"}, [(VOID, True)]),
        ("alpha:9", {"v_seen": "5"}, []),
    ],
)
def test_a_visit_of_one_node_alone_differs_in_what_it_says(tmp_path: Path, key: str, values: dict, found: list) -> None:
    """And what an export alone tells is declared, field by field."""
    left = node_with(tmp_path / "left", *visited("alpha:2 id:3", seen=True))
    right = node_with(tmp_path / "right", *visited("alpha:2 id:3", seen=True), visited(key, **values)[-1])
    for one, other in ((left, right), (right, left)):
        assert [(each.field, each.untold) for each in differences(read_node(one), read_node(other))] == found


def test_what_an_export_tells_of_who_has_seen_all_up_to_a_message_is_that(tmp_path: Path) -> None:
    left = node_with(tmp_path / "left", *visited("alpha:2", v_seen="7"))
    right = node_with(tmp_path / "right", *visited("alpha:2", v_seen="*:7"))
    assert differences(read_node(left), read_node(right)) == []


def test_of_rooms_that_show_the_same_the_messages_may_differ(tmp_path: Path) -> None:
    def picture(time: int, text: bytes) -> Record:
        body = b"\xffA\x04T%d\0MContent-type: image/png\n\n%s\0" % (time, text)
        return Record("pictures", "room alpha:1", 5 * MS, "citadel:alpha", BORN_IMPORTED, body=body)

    left, right = node_with(tmp_path / "left", picture(5, b"a\n")), node_with(tmp_path / "right", picture(6, b"a\r\n"))
    found = differences(read_node(left), read_node(right))
    assert [(one.field, one.untold or one.expected is not None) for one in found] == [(MESSAGE, True), (BYTES, True)]
    other = node_with(tmp_path / "other", picture(5, b"b\n"))
    (one,) = differences(read_node(left), read_node(other))
    assert one.field == BODY and not one.untold


def test_the_same_mail_under_the_key_of_its_text_is_told_as_such(tmp_path: Path) -> None:
    filed = "id:1#0123456789abcdef"
    left = node_with(tmp_path / "left", message(5 * MS, filed, b"text\n"))
    right = node_with(tmp_path / "right", message(5 * MS, "id:1", b"text\r\n"))
    (found,) = differences(read_node(left), read_node(right))
    assert found == ("messages/alpha:1", filed, KEY, filed, "id:1")
    assert found.expected is not None
    other = node_with(tmp_path / "other", message(5 * MS, "id:1", b"another text"))
    assert [one.expected for one in differences(read_node(left), read_node(other))] == [None, None]


def test_only_what_is_declared_is_expected() -> None:
    declared = Difference("users", "alpha:2", "u_lastcall", "1", "2")
    assert declared.expected in EXPECTED and not declared.untold
    assert Difference("users", "alpha:2", "u_flags", "1", "2").expected is None
    assert Difference("rooms", "alpha:2", "QRgen", "1", "2").untold


def test_what_a_bootstrap_writes_is_told_by_its_place_in_the_feed(tmp_path: Path) -> None:
    node = node_with(tmp_path / "node", user(5 * MS))
    end = feed_end(node)
    assert written_since(node, end) == []
    node_with(node, message(5 * MS, "id:1", b"text"))
    assert written_since(node, end) == [("messages/alpha:1", "id:1")]


def test_the_page_lists_what_is_left_out() -> None:
    for left in LEFT_OUT:
        assert f"| {left.what} | {left.why} |" in DOCS


# -- what is found ------------------------------------------------------------------------------------------


def findings(*undeclared: Difference, code: int = 0, rewritten: int = 0, damage: str = "") -> Findings:
    done = Done(Counter(), Counter())
    runs = [Bootstrap("first", 1.0, 0.5, 5, 0, 0, [], 0, code)]
    wrote = [("users", str(number)) for number in range(rewritten)]
    return Findings("", 1, done, done, runs, wrote, 5, list(undeclared), {}, {"same": damage} if damage else {})


def test_nothing_is_at_fault_where_only_declared_differences_are() -> None:
    assert findings(Difference("users", "alpha:2", "u_lastcall", "1", "2")).faults == []


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (findings(Difference("users", "a", WHOLE, None, "x")), "1 differences between the two nodes"),
        (findings(code=9), "the bootstrap 'first' ended with exit code 9"),
        (findings(rewritten=3), "a bootstrap of an unchanged server wrote 3 records"),
        (findings(damage="a digest is wrong"), "'check' of same: a digest is wrong"),
    ],
)
def test_each_thing_that_is_wrong_is_a_line(found: Findings, line: str) -> None:
    assert found.faults == [line]


# -- the command --------------------------------------------------------------------------------------------


def test_a_directory_without_a_server_is_one_line_and_exit_code_3(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["bootstrap", str(tmp_path)])
    assert result.exit_code == 3
    assert (
        result.output == f"try-live: {tmp_path} has no citserver: give a directory with a built Citadel (see --help)\n"
    )


def test_a_server_that_runs_is_not_copied(tmp_path: Path) -> None:
    (tmp_path / "messages").mkdir()
    (tmp_path / "citserver").touch()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "citadel-admin.socket"))
        listening.listen()
        result = CliRunner().invoke(cli, ["bootstrap", str(tmp_path)])
    assert result.exit_code == 3
    assert "a server runs in" in result.output


def test_help_says_what_the_directory_must_hold() -> None:
    told = CliRunner().invoke(cli, ["bootstrap", "--help"]).output
    for word in ("SERVERDIR", "citserver", "messages/", "data/", "loopback", "docs/citadel.md"):
        assert word in told


# -- waiting ------------------------------------------------------------------------------------------------


def test_what_is_waited_for_is_looked_at_until_it_has_come() -> None:
    looks = iter([False, False, True, False])
    look_until(lambda: next(looks), 60, lambda: "", look_s=0)
    assert next(looks) is False


def test_what_does_not_come_is_told_by_why() -> None:
    with pytest.raises(TrialFailed, match="not all is mailed"):
        look_until(lambda: False, 0, lambda: "not all is mailed", look_s=0)


# -- its own network, and the server's end ------------------------------------------------------------------


def test_a_trial_has_a_network_with_nothing_but_loopback_where_ports_are_its_own(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        program.write_text(
            f"import socket, sys; sys.path.insert(0, {str(CONTRIB)!r})\n"
            "from try_live.isolation import isolate; isolate()\n"
            f"listening = socket.create_server({address}); socket.create_connection({address})\n"
            "print([name for _, name in socket.if_nameindex()])"
        )
        done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False)
    if "no network of its own" in done.stderr:
        pytest.skip("neither root nor user namespaces here")
    assert done.stdout == "['lo']\n", done.stderr


SLEEPER = "import sys, time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"


def test_a_kept_program_ends_when_its_parent_is_killed() -> None:
    parent = (
        "import subprocess, sys, time\n"
        f"kept = subprocess.Popen([sys.executable, {keeper.__file__!r}, sys.executable, '-c', {SLEEPER!r}],"
        " stdin=subprocess.PIPE)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGKILL)
        # The pipe ends once nobody holds its other end: the program and its keeper are gone.
        assert process.stdout.read() == b""


def test_a_kept_program_that_does_not_end_by_itself_is_killed() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(CONTRIB)!r})\n"
        "from try_live import keeper; keeper.PATIENCE_S = 0.1\n"
        f"sys.exit(keeper.keep([sys.executable, '-c', {STUBBORN!r}]) + 100)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as kept:
        assert kept.stdin is not None and kept.stdout is not None
        assert kept.stdout.readline() == b"up\n"
        kept.stdin.close()
        assert kept.wait(30) == 100 - signal.SIGKILL


def test_a_kept_programs_exit_code_is_passed_on() -> None:
    command = [sys.executable, keeper.__file__, sys.executable, "-c", "raise SystemExit(7)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as kept:
        assert kept.wait(30) == 7


def test_what_an_export_alone_tells_is_declared_where_there_are_none_and_nowhere_else() -> None:
    left = {"rooms": {"alpha:1": {"QRgen": "1"}}, "users": {"alpha:2": {"u_fullname": "Ann"}}}
    right = {"rooms": {"alpha:1": {"QRgen": "2"}}, "users": {"alpha:2": {"u_fullname": "Anna"}}}
    plan = FollowPlan(Path(), 1, Sizes(1, 1, 1), 1, 1, 1)
    assert [one.field for one in plan.differences(left, right)] == ["u_fullname"]
    assert [one.field for one in plan._replace(exports=True).differences(left, right)] == ["QRgen", "u_fullname"]


# -- the trial of following ---------------------------------------------------------------------------------


def phase(*differences: Difference, damage: str = "") -> Phase:
    return Phase(10, 2, 1.0, list(differences), damage, 1)


def test_a_trial_of_following_fails_for_each_thing_that_is_not_as_it_should_be() -> None:
    nothing = Done(Counter(), Counter())

    def faults(*phases: Phase, back: tuple[Difference, ...] = (), rewritten: tuple[Any, ...] = ()) -> list[str]:
        return Followed("", 1, nothing, nothing, list(phases), list(back), list(rewritten)).faults

    declared = Difference("users", "a:1", "u_lastcall", "1", "2")
    assert faults(phase(declared)) == []
    assert faults(phase(), phase(Difference("users", "a:1", "u_fullname", "1", "2"))) == ["1 differences after phase 2"]
    assert faults(phase(), back=(declared,)) == ["a restored server changed 1 things in the node"]
    assert faults(phase(damage="bad")) == ["'check' after phase 1: bad"]
    assert faults(phase(), rewritten=(("users", "a:1"),)) == ["following an unchanged server wrote 1 records"]


def test_figures_are_told_as_they_were_measured() -> None:
    lags = [number / 100 for number in range(1, 101)]
    loads = Load(7.96, 1.2, 948.4), Load(0.04, 0.1, 132.0)
    figures = Figures(
        "", MeasuredSizes(100, 1000, 60, 100, 10_000), 2.25, *loads, lags, 61.0, 3.5, (51_000_000, 52_400_000)
    )
    assert (figures.lag(0.5), figures.lag(0.99), figures.lag(1.0)) == (0.51, 1.0, 1.0)
    assert dict(rows(figures)) == {
        "the first copy": "2.2 s",
        "nobody logged in": "server 8.0 %, node 1.2 % of a core, 948 commands a minute",
        "somebody logged in": "server 0.0 %, node 0.1 % of a core, 132 commands a minute",
        "post to record on a second mirror (100 posts)": "p50 0.51 s, p99 1.00 s, mean 0.51 s",
        "catching up with 10000 posts": "61.0 s",
        "catching up with what 100 users read": "3.5 s",
        "memory of the node": "51 MB, 52 MB at the end",
    }


def test_what_a_process_has_had_of_the_machine_is_read() -> None:
    before, began = spent(os.getpid()), time.process_time()
    while time.process_time() - began < 0.05:
        pass
    assert 0.02 <= spent(os.getpid()) - before <= 1
    assert resident(os.getpid()) > 1_000_000


def test_who_is_turned_away_while_a_server_exports_comes_again(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        listening.listen()

        def serve() -> None:
            for greeting in (b"551 Too many users are already online (maximum is 0)\n", b"200 ready\n"):
                connection, _ = listening.accept()
                kept.append(connection)
                connection.sendall(greeting)

        kept: list[socket.socket] = []
        threading.Thread(target=serve, daemon=True).start()
        Session(tmp_path / "socket")._file.close()
        assert len(kept) == 2
        for connection in kept:
            connection.close()


# -- its own client -----------------------------------------------------------------------------------------


Served = tuple[Path, dict[bytes, bytes], list[bytes]]
HANG_UP = b""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A Unix socket whose server answers each line from a table, as 980 was recorded to; and the lines it got."""
    path, answers, got = tmp_path / "socket", dict[bytes, bytes](), list[bytes]()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, connection.makefile("rwb") as stream:
                stream.write(b"200 ready\n")
                stream.flush()
                for line in stream:
                    got.append(line)
                    answer = answers.get(line.rstrip(b"\n"))
                    if answer == HANG_UP:
                        return
                    stream.write(answer or b"")
                    stream.flush()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield path, answers, got
        thread.join(10)


def test_a_session_reads_lines_listings_and_bytes_and_sends_what_is_wanted(
    served: Served,
) -> None:
    path, answers, got = served
    answers |= {
        b"LFLR": b"100 Known floors:\n0|Main Floor|31\r\n000\n",
        b"READ 0|4": b"600 4\n0\n0\n",
        b"ENT0 1||0|0|s||1": b"800 send message\n",
        b"000": b"81\nMessage accepted.\n\n000\n",
        b"GOTO nowhere||1": b"572 no such room\n",
        b"QUIT": b"200 Goodbye.\n",
    }
    told: list[str] = []
    with Session(path, told.append) as session:
        assert session.lines("LFLR") == ["0|Main Floor|31\r"]
        assert session.ask("READ 0|4").data == b"0\n0\n"
        assert session.ask("ENT0 1||0|0|s||1", ["line"]).lines[0] == "81"
        with pytest.raises(Refused, match="572 no such room"):
            session.go("nowhere")
    assert got[2:5] == [b"ENT0 1||0|0|s||1\n", b"line\n", b"000\n"]
    assert told == ["LFLR", "READ 0|4", "ENT0 1||0|0|s||1", "GOTO nowhere||1"]


def test_a_server_that_hangs_up_is_told_in_one_line(served: Served) -> None:
    path, answers, _ = served
    answers[b"NOOP"] = HANG_UP
    with Session(path) as session, pytest.raises(TrialFailed, match="the server closed a connection"):
        session.ask("NOOP")


def by_imap(replies: bytes, *commands: bytes) -> bytes:
    """Do IMAP commands with a server that says ``replies``; returns what it was sent."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as stream:
                while not got or not got[-1].endswith(b"LOGOUT\r\n"):
                    got.append(stream.readline())
                connection.sendall(replies)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            imap.converse(listening.getsockname()[1], "Ann", "pw", *commands)
        finally:
            thread.join(10)
    return b"".join(got)


def test_imap_commands_are_sent_at_once_with_their_literals() -> None:
    replies = b"* OK ready\r\na0 OK Hello\r\na1 OK [APPENDUID 1 7] APPEND completed\r\na2 OK ended\r\n"
    sent = by_imap(replies, b"APPEND INBOX " + imap.literal(b"x\r\n"))
    assert sent == b'a0 LOGIN "Ann" "pw"\r\na1 APPEND INBOX {3}\r\nx\r\n\r\na2 LOGOUT\r\n'


def test_an_imap_command_that_is_not_taken_is_named() -> None:
    replies = b"* OK ready\r\na0 OK Hello\r\na1 NO no such folder\r\na2 OK ended\r\n"
    with pytest.raises(Refused, match=r"SELECT Nowhere.*no such folder"):
        by_imap(replies, b"SELECT Nowhere")
