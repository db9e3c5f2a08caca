"""A daemon's log is an event for who waits for it; commands and daemons that fail say why."""

import os
import sys
import threading
from pathlib import Path

import pytest

from mirror.cli.processes import DaemonLog, NodeProcess, ProcessFailed, run_command, stop_all, wait_equal, wait_until


def written(log: DaemonLog) -> int:
    """Return a descriptor; what is written to it is what a daemon says."""
    reading, writing = os.pipe()
    log.follow(reading)
    return writing


def test_a_line_wakes_who_waits_for_it_and_is_found_once(tmp_path: Path) -> None:
    log = DaemonLog(tmp_path / "log")
    says = written(log)
    answers: list[str] = []
    waiting = threading.Thread(target=lambda: answers.append(log.wait("is up", 20)))
    waiting.start()
    os.write(says, b"begins\nit is ")
    os.write(says, b"up on 1.2.3.4\nand goes on\n")
    waiting.join(20)
    assert answers == ["it is up on 1.2.3.4\n"]
    assert log.wait("goes on", 20) == "and goes on\n"
    os.close(says)
    with pytest.raises(ProcessFailed, match="the daemon ended: begins"):
        log.wait("is up", 20)
    assert (tmp_path / "log").read_bytes() == b"begins\nit is up on 1.2.3.4\nand goes on\n"


def test_the_end_of_a_killed_daemon_is_not_taken_for_that_of_the_next_one(tmp_path: Path) -> None:
    log = DaemonLog()
    first, second = written(log), written(log)
    os.write(first, b"last words")
    os.close(first)
    assert log.wait("last words", 20) == "last words"
    os.write(second, b"is up\n")
    assert log.wait("is up", 20) == "is up\n"
    os.close(second)


def test_a_line_that_does_not_come_is_given_up(tmp_path: Path) -> None:
    log = DaemonLog()
    says = written(log)
    with pytest.raises(ProcessFailed, match=r"no line 'never' within 0\.01 s"):
        log.wait("never", 0.01)
    os.close(says)


def test_a_command_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(ProcessFailed, match=r"'ctdlmirror status' ended with exit code 3: .* init"):
        run_command(tmp_path / "none", "status")
    assert run_command(tmp_path / "none", "status", check=False).returncode == 3


def test_a_daemon_that_does_not_come_up_is_told_with_its_last_lines(tmp_path: Path) -> None:
    program = (sys.executable, "-c", "import sys; sys.exit('no room')")
    node = NodeProcess(tmp_path / "a", "a", program=program)
    with pytest.raises(ProcessFailed, match="a: the daemon ended: no room"):
        node.start()
    assert node.wait() == 1
    with pytest.raises(ProcessFailed, match="does not run"):
        node.kill()


def test_nodes_are_set_up_started_watched_killed_and_stopped(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("correct horse battery staple\n")
    (tmp_path / "secret").chmod(0o600)
    alpha, beta = (NodeProcess(tmp_path / name, name, log=tmp_path / f"{name}.log") for name in ("alpha", "beta"))
    try:
        for node in (alpha, beta):
            node.set_up()
        alpha.knows(beta, tmp_path / "secret", dial=False)
        alpha.start()
        beta.knows(alpha, tmp_path / "secret")
        beta.start()
        wait_equal(alpha, beta)
        assert not wait_until([alpha], lambda: alpha.digest() == "another", 0.01)
        alpha.kill()
        assert alpha.digest() == beta.digest()  # without a daemon the store itself is asked
        alpha.start()
        assert [entry["name"] for entry in alpha.json("peer", "list")] == ["beta"]
    finally:
        stop_all([alpha, beta])
    assert alpha.process is beta.process is None
    assert "is up on" in (tmp_path / "alpha.log").read_text()
