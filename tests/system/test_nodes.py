"""Whole nodes: bootstrap, replication both ways, and kill -9 of either side at any time."""

import json
import os
import pty
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from exports import make_export
from nodes import IMPORTED, NodeProcess, ctdlmirror, wait_equal

from mirror.store.open import open_store
from mirror.sync.bootstrap import mark_begun

Make = Callable[[str], NodeProcess]
EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:meeting
DTSTAMP:20260101T000000Z
DTSTART:20261201T100000Z
SUMMARY:{summary}
SEQUENCE:{sequence}
END:VEVENT
END:VCALENDAR
"""


def pair(node: Make, secret: Path, export: Path, mutual: bool = False) -> tuple[NodeProcess, NodeProcess]:
    """Return alpha, imported and running, and beta, which dials it."""
    alpha, beta = node("alpha"), node("beta")
    alpha.run("import", str(export))
    alpha.knows(beta, secret, dial=False)
    alpha.start()
    beta.knows(alpha, secret)
    return alpha, beta


def test_bootstrap_then_changes_on_either_side_reach_the_other(
    node: Make, secret: Path, export: Path, tmp_path: Path
) -> None:
    alpha, beta = pair(node, secret, export)
    result = beta.json("bootstrap", f"mirror://{alpha.address}")
    assert (result["unequal"], result["written"], result["resumed"]) == (
        [],
        IMPORTED + 1,
        False,
    )  # and the sign of life of alpha
    assert alpha.digest() == beta.digest()
    again = beta.json("bootstrap", f"mirror://{alpha.address}")
    assert (again["written"], again["already_held"], again["resumed"]) == (0, 0, True)
    beta.run("post", "Lobby", "while alpha was down")
    differs = beta.run("bootstrap", f"mirror://{alpha.address}", check=False)
    assert (differs.returncode, differs.stderr.count("NOT EQUAL: messages/")) == (1, 1)
    beta.start()
    beta.wait_log("link to alpha is up, pushing too")
    wait_equal(alpha, beta)
    assert not any("reconciled" in line for line in beta.log)

    key = alpha.run("post", "Lobby", "from alpha", "--subject", "A").stdout.strip()
    beta.run("post", "Lobby", "from beta", "--subject", "B")
    (tmp_path / "event.ics").write_text(EVENT.format(summary="Lunch", sequence=1))
    beta.run("calendar", "add", str(tmp_path / "event.ics"), "--room", "Team Calendar")
    (tmp_path / "large.bin").write_bytes(b"0123456789" * 500_000)
    alpha.run("file", "put", "Drop Box", str(tmp_path / "large.bin"))
    wait_equal(alpha, beta)
    texts = {entry["message"] for entry in alpha.json("read", "Lobby")}
    assert {"from alpha", "from beta"} <= texts
    assert "Lunch" in beta.run("read", "Team Calendar").stdout

    beta.run("delete", "Lobby", key)
    wait_equal(alpha, beta)
    assert "from alpha" not in alpha.run("read", "Lobby").stdout
    verified = beta.run("verify", "alpha")
    assert "collections are equal" in verified.stdout
    told = beta.json("status")
    assert told["links"][0]["given"] > 0 < told["links"][0]["gave_all"]
    assert told["nodes"][0]["behind"] >= 0
    for one in (alpha, beta):
        assert "no problems" in one.run("check").stdout
        one.signal(signal.SIGTERM)
        assert one.wait(5) == 0


def test_concurrent_edits_end_in_one_version_and_a_conflict_that_can_be_restored(
    node: Make, secret: Path, export: Path, tmp_path: Path
) -> None:
    alpha, beta = pair(node, secret, export)
    beta.run("bootstrap", f"mirror://{alpha.address}")
    event = tmp_path / "event.ics"
    for one, summary in ((alpha, "at ten"), (beta, "at noon")):
        event.write_text(EVENT.format(summary=summary, sequence=1))
        one.run("calendar", "add", str(event), "--room", "Team Calendar")
    verified = beta.run("verify", "alpha", check=False)
    assert verified.returncode == 1
    assert "versions differ: euid:meeting" in verified.stdout
    beta.start()
    wait_equal(alpha, beta)
    lost = [(one, found[0]) for one in (alpha, beta) if (found := one.json("conflicts", "list"))]
    assert lost
    where, conflict = lost[0]
    assert conflict["loser"]["key"] == "euid:meeting"
    assert conflict["what"] == "item 'at ten' of Mirror Administrator in room Team Calendar"
    shown = where.run("conflicts", "show", str(conflict["number"])).stdout
    assert "Lost: the version written" in shown and "at alpha." in shown
    assert "which had not seen it" in shown and "SUMMARY:at ten" in shown
    assert "item 'at ten'" in where.run("conflicts", "list").stdout
    assert where.run("conflicts", "restore", check=False).returncode == 2
    assert "Restored" in where.run("conflicts", "restore", "--all").stdout
    assert "No conflicts" in where.run("conflicts", "list").stdout
    wait_equal(alpha, beta)
    assert "at ten" in beta.run("read", "Team Calendar").stdout


def test_different_properties_of_an_event_changed_on_two_nodes_are_both_kept(
    node: Make, secret: Path, export: Path, tmp_path: Path
) -> None:
    alpha, beta = pair(node, secret, export)
    event = tmp_path / "event.ics"
    event.write_text(EVENT.format(summary="Lunch", sequence=1))
    alpha.run("calendar", "add", str(event), "--room", "Team Calendar")
    beta.run("bootstrap", f"mirror://{alpha.address}")
    event.write_text(EVENT.format(summary="Dinner", sequence=1))
    alpha.run("calendar", "add", str(event), "--room", "Team Calendar")
    event.write_text(EVENT.format(summary="Lunch", sequence=2).replace("END:VEVENT", "LOCATION:Garden\nEND:VEVENT"))
    beta.run("calendar", "add", str(event), "--room", "Team Calendar")
    beta.start()
    wait_equal(alpha, beta)
    for one in (alpha, beta):
        shown = one.run("read", "Team Calendar").stdout
        assert "Mirror Administrator: Dinner" in shown
        assert "SUMMARY:Dinner" in shown and "LOCATION:Garden" in shown and "SEQUENCE:2" in shown
        assert "No conflicts" in one.run("conflicts", "list").stdout


def until_stored(process: subprocess.Popen[bytes], copy: NodeProcess, after: int) -> int:
    """Wait until a copy has durably come past a place of the source's feed, or the process has ended."""
    deadline = time.monotonic() + 60
    place = 0
    while place <= after and time.monotonic() < deadline:
        with suppress(sqlite3.OperationalError):  # not there yet, or just being made
            store = sqlite3.connect(f"file:{copy.directory / 'store.sqlite'}?mode=ro", uri=True)
            place = store.execute("SELECT coalesce(max(sequence), 0) FROM cursor").fetchone()[0]
            store.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.005)
            return place
    return place


def test_kill_9_of_either_side_during_bootstrap_loses_nothing(node: Make, secret: Path, tmp_path: Path) -> None:
    big = tmp_path / "big.xml"
    with big.open("wb") as file:
        file.writelines(make_export(20_000, 600))
    alpha, beta = pair(node, secret, big)
    arguments = [sys.executable, "-m", "mirror", "--dir", str(beta.directory), "bootstrap", f"mirror://{alpha.address}"]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    reached = until_stored(process, beta, 0)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert "copying from alpha is not at its end" in beta.run("status").stdout
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE)
    until_stored(process, beta, reached)
    alpha.kill()
    _, errors = process.communicate(timeout=120)
    if process.returncode:  # the source was gone before the end: one line says so
        assert process.returncode in (6, 8), errors
        assert b"Traceback" not in errors
    alpha.start()
    result = beta.json("bootstrap", f"mirror://{alpha.address}")
    assert result["unequal"] == []
    assert result["resumed"]
    assert result["written"] < 20_010
    assert beta.json("status")["copying"] == result["partial"] == []
    assert alpha.digest() == beta.digest()
    assert "no problems" in beta.run("check").stdout


@pytest.mark.parametrize("victim", ["alpha", "beta"])
def test_kill_9_of_either_side_during_replication_loses_nothing(
    node: Make, secret: Path, export: Path, victim: str
) -> None:
    alpha, beta = pair(node, secret, export)
    beta.run("bootstrap", f"mirror://{alpha.address}")
    beta.start()
    posted = []
    for number in range(6):
        where = (alpha, beta)[number % 2]
        posted.append(where.run("post", "Lobby", f"text {number}").stdout.strip())
        if number == 2:
            dead = {"alpha": alpha, "beta": beta}[victim]
            dead.kill()
            # Without a daemon the same tools work on the store itself.
            posted.append(dead.run("post", "Lobby", "while down").stdout.strip())
            dead.start()
    wait_equal(alpha, beta)
    for one in (alpha, beta):
        assert {entry["key"] for entry in one.json("read", "Lobby", "--limit", "100")} >= set(posted)
        assert "no problems" in one.run("check").stdout


def test_a_peer_that_is_stopped_slows_only_itself(node: Make, secret: Path, export: Path) -> None:
    alpha, beta = pair(node, secret, export)
    beta.run("bootstrap", f"mirror://{alpha.address}")
    beta.start()
    beta.wait_log("link to alpha is up")
    wait_equal(alpha, beta)
    beta.signal(signal.SIGSTOP)
    for number in range(3):
        alpha.run("post", "Lobby", f"text {number}")
    assert alpha.json("status")["records"] == IMPORTED + 2 + 3
    beta.signal(signal.SIGCONT)
    wait_equal(alpha, beta)


def test_a_store_that_holds_something_is_refused_unless_told_to_merge(
    node: Make, secret: Path, export: Path, tmp_path: Path
) -> None:
    alpha, beta = pair(node, secret, export)
    other = tmp_path / "other.xml"
    other.write_bytes(b"".join(make_export(50, 100)))
    beta.run("import", str(other))
    url = f"mirror://{alpha.address}"
    refused = beta.run("bootstrap", url, check=False)
    assert (refused.returncode, "--merge" in refused.stderr) == (5, True)
    for _ in range(2):  # again, while our own records are not there yet
        assert f"Verified: all {IMPORTED + 1} records of alpha are here" in beta.run("bootstrap", url, "--merge").stdout
    beta.start()
    wait_equal(alpha, beta)
    assert alpha.json("status")["records"] > IMPORTED + 1


def test_a_node_that_ran_empty_can_still_be_bootstrapped(node: Make, secret: Path, export: Path) -> None:
    alpha, beta = pair(node, secret, export)
    beta.start()
    beta.stop()
    result = beta.json("bootstrap", f"mirror://{alpha.address}", "--online")
    assert (result["unequal"], result["records"]) == ([], IMPORTED + 1)


def test_a_copy_from_a_node_that_is_half_a_copy_itself_ends_incomplete(node: Make, secret: Path, export: Path) -> None:
    alpha, beta = pair(node, secret, export)
    alpha.stop()
    alpha.knows(node("main"), secret, dial=False)
    store = open_store(alpha.directory, "alpha")
    mark_begun(store, "main")
    store.close()
    alpha.start()
    failed = beta.run("bootstrap", f"mirror://{alpha.address}", check=False)
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("INCOMPLETE: alpha itself holds only a part of the data of main")
    assert beta.json("status")["copying"] == ["alpha"]


def test_a_peer_that_was_removed_is_cut_off(node: Make, secret: Path, export: Path) -> None:
    alpha, beta = pair(node, secret, export)
    beta.start()
    beta.wait_log("link to alpha is up")
    alpha.run("peer", "remove", "beta")
    assert "wrong secret" in beta.wait_log("Unknown node")
    assert alpha.json("status")["sessions"] == []


def test_a_chain_passes_changes_on(node: Make, secret: Path, export: Path) -> None:
    alpha, beta = pair(node, secret, export)
    gamma = node("gamma")
    beta.run("bootstrap", f"mirror://{alpha.address}")
    beta.knows(gamma, secret, dial=False)
    beta.start()
    gamma.knows(beta, secret)
    gamma.start()
    wait_equal(alpha, beta, gamma)
    gamma.run("post", "Lobby", "from the far end")
    wait_equal(alpha, beta, gamma)
    assert "from the far end" in alpha.run("read", "Lobby").stdout


def test_commands_beside_a_daemon_that_starts_and_one_that_was_killed(node: Make) -> None:
    """Each took the lock first now and then, and then the daemon ended with code 4."""
    alpha = node("alpha")
    stop = threading.Event()
    failed: list[str] = []

    def ask() -> None:
        while not stop.is_set():
            done = subprocess.run(alpha.command("status"), capture_output=True, text=True, check=False)
            failed.extend([done.stderr] if done.returncode else [])

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        alpha.start()
    finally:
        stop.set()
        for thread in asking:
            thread.join()
    assert failed == []
    assert alpha.json("status")["running"]
    alpha.kill()
    assert not alpha.json("status")["running"]
    assert "no daemon runs" in alpha.run("reload", check=False).stderr


def test_sighup_takes_a_new_peer_over_and_refuses_a_broken_file(node: Make, secret: Path, export: Path) -> None:
    alpha, beta = pair(node, secret, export)
    beta.start()
    beta.wait_log("link to alpha is up")
    wait_equal(alpha, beta)
    config = beta.directory / "mirror.toml"
    good = config.read_text()
    config.write_text(good + "\n[nonsense]\n")
    beta.signal(signal.SIGHUP)
    assert "[nonsense] is no section" in beta.wait_log("not reloaded")
    config.write_text(good)
    beta.run("peer", "remove", "alpha")
    beta.signal(signal.SIGHUP)
    beta.wait_log("reloaded: 0 peers")
    assert beta.json("status")["links"] == []


def test_a_wrong_certificate_or_secret_ends_with_a_clear_line(
    node: Make, secret: Path, export: Path, tmp_path: Path
) -> None:
    alpha, beta = pair(node, secret, export)
    other = tmp_path / "other"
    other.write_text("another secret, just as long\n")
    other.chmod(0o600)
    url = f"mirror://{alpha.address}"
    beta.run("peer", "add", "alpha", "--address", alpha.address, "--trust", "pin:" + "0" * 64)
    failed = beta.run("bootstrap", url, check=False)
    assert failed.returncode == 7
    assert "shows a certificate with fingerprint" in failed.stderr
    beta.run("peer", "add", "alpha", "--address", alpha.address, "--trust", alpha.pin, "--secret-file", str(other))
    failed = beta.run("bootstrap", url, check=False)
    assert (failed.returncode, failed.stderr.count("\n")) == (7, 1), failed.stderr
    assert "wrong secret" in failed.stderr


def test_a_certificate_may_be_proved_by_an_own_ca(node: Make, secret: Path, export: Path) -> None:
    alpha, beta = pair(node, secret, export)
    authority = f"ca:{alpha.directory / 'tls.crt'}"
    beta.run("peer", "add", "alpha", "--address", alpha.address, "--trust", authority)
    assert beta.json("bootstrap", f"mirror://{alpha.address}")["unequal"] == []
    other = f"ca:{beta.directory / 'tls.crt'}"
    for trust in (other, "system"):
        beta.run("peer", "add", "alpha", "--address", alpha.address, "--trust", trust)
        failed = beta.run("verify", "alpha", check=False)
        assert (failed.returncode, failed.stderr.count("\n")) == (7, 1), failed.stderr
        assert "is not trusted: " in failed.stderr and f"--trust {alpha.pin}" in failed.stderr


def test_the_protocol_works_by_hand_over_tls(node: Make, secret: Path, export: Path) -> None:
    alpha = node("alpha")
    alpha.run("import", str(export))
    alpha.start()
    host, port = alpha.address.split(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((host, int(port)), 20) as plain:
        assert plain.recv(100).startswith(b"200 alpha")
        plain.sendall(b"STLS\n")
        assert plain.recv(100).startswith(b"200")
        with context.wrap_socket(plain) as secure, secure.makefile("rwb") as stream:
            for line, answer in (
                (b"USER Alice Liddell", b"300"),
                (b"PASS pw-Alice Liddell", b"200"),
                (b"ECHO a", b"200 a"),
            ):
                stream.write(line + b"\n")
                stream.flush()
                assert stream.readline().startswith(answer)
            stream.write(b"SYNC mailboxes|info\n")
            stream.flush()
            lines = iter(stream.readline, b"000\n")
            assert next(lines).startswith(b"100 alpha|")
            assert any(line.endswith(b"|Mail\n") for line in lines)


def test_tls_at_once_for_clients_that_cannot_begin_it(node: Make, export: Path) -> None:
    alpha = node("alpha")
    alpha.run("import", str(export))
    config = alpha.directory / "mirror.toml"
    config.write_text(config.read_text().replace("tls_addresses = []", 'tls_addresses = ["127.0.0.1:0"]'))
    alpha.start()
    host, port = alpha.json("status")["addresses"][1].split(":")
    lines = b"USER admin\nPASS citadel\nSNGL 120|500\nSYNC users|info\nESNG\nQUIT\n"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host, int(port)), 20) as plain,
        context.wrap_socket(plain) as secure,
        secure.makefile("rwb") as stream,
    ):
        stream.write(lines)
        stream.flush()
        replies = stream.read().decode().splitlines()
    assert replies[0].startswith("200 alpha Citadel mirror")
    assert replies[3].startswith("200 single-user mode for user admin")
    assert replies[5].startswith("users|10|")
    assert replies[-2:] == ["200 multi-user mode", "200 Goodbye."]


def test_a_backup_made_while_running_is_restored_and_the_peers_make_it_whole(
    node: Make, secret: Path, export: Path, tmp_path: Path
) -> None:
    alpha, beta = pair(node, secret, export)
    beta.run("bootstrap", f"mirror://{alpha.address}")
    beta.start()
    alpha.run("backup", str(tmp_path / "backup"))
    assert alpha.run("backup", str(tmp_path / "backup"), check=False).returncode == 3
    alpha.run("post", "Lobby", "after the backup")
    wait_equal(alpha, beta)
    assert alpha.run("restore", str(tmp_path / "backup"), check=False).returncode == 4
    alpha.stop()
    assert alpha.run("restore", str(tmp_path / "backup"), check=False).returncode == 3
    for file in alpha.directory.glob("store.sqlite*"):
        file.unlink()
    assert "no problems" in alpha.run("restore", str(tmp_path / "backup")).stdout
    assert "after the backup" not in alpha.run("read", "Lobby").stdout
    alpha.start()
    wait_equal(alpha, beta)
    assert "after the backup" in alpha.run("read", "Lobby").stdout


def test_errors_are_one_line_with_the_documented_code(tmp_path: Path, export: Path) -> None:
    directory = tmp_path / "n"
    cases = [
        (("status",), 3, "init"),
        (("frobnicate",), 2, "No such command"),
        (("import", "/nonexistent"), 3, "init"),
    ]
    for arguments, code, text in cases:
        result = ctdlmirror(directory, *arguments, check=False)
        assert (result.returncode, text in result.stderr, "Traceback" in result.stderr) == (code, True, False), result
    ctdlmirror(directory, "init", "--node", "n", "--listen", "127.0.0.1:0")
    cases = [
        (("import", "/nonexistent"), 3, "cannot be read"),
        (("bootstrap", "http://x"), 3, "is no citadel://"),
        (("bootstrap", "citadel://admin:pw@127.0.0.1:1"), 3, "password in a URL"),
        (("bootstrap", "mirror://127.0.0.1:1"), 3, "peer add"),
        (("bootstrap", "citadel://admin@127.0.0.1:1"), 3, "CITADEL_PASSWORD"),
        (("post", "Nowhere", "x"), 12, "there is no room"),
        (("peer", "add", "x!"), 3, "no node name"),
        (("verify", "x"), 3, "is no peer"),
        (("conflicts", "show", "9"), 12, "no conflict 9"),
        (("init", "--node", "n"), 3, "set up already"),
    ]
    for arguments, code, text in cases:
        result = ctdlmirror(directory, *arguments, check=False)
        assert (result.returncode, text in result.stderr, "Traceback" in result.stderr) == (code, True, False), result
    ctdlmirror(directory, "import", str(export))
    (directory / "secrets.toml").write_text("[peers]\nx = 'y'\n")
    (directory / "secrets.toml").chmod(0o644)
    result = ctdlmirror(directory, "peer", "list", check=False)
    assert (result.returncode, "chmod 600" in result.stderr) == (3, True)


def on_a_terminal(directory: Path, *arguments: str, interrupt_at: str = "") -> tuple[int, str]:
    """Run a command on a terminal, typing Ctrl-C once it shows a text; returns exit code and what it showed."""
    shown = bytearray()
    pid, descriptor = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "mirror", "--dir", str(directory), *arguments])
    try:
        while True:
            shown += os.read(descriptor, 65_536)
            if interrupt_at and interrupt_at.encode() in shown:
                os.write(descriptor, b"\x03")
                interrupt_at = ""
    except OSError:  # how Linux says that the other side has closed the terminal
        pass
    os.close(descriptor)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode("utf-8", "replace")


def test_progress_and_live_view_on_a_terminal(node: Make, secret: Path, export: Path, tmp_path: Path) -> None:
    code, shown = on_a_terminal(tmp_path / "none", "demo", interrupt_at="ms later")
    assert code == 0, shown
    assert "EQUAL: both nodes hold the same records." in shown
    assert "bootstrap from alpha" in shown
    alpha, beta = pair(node, secret, export)
    for arguments in (("--online",), ("--merge",)):
        code, shown = on_a_terminal(beta.directory, "bootstrap", f"mirror://{alpha.address}", *arguments)
        assert code == 0, shown
        assert "Verified" in shown


def test_the_demo_ends_with_equal_nodes_and_keeps_them(tmp_path: Path) -> None:
    result = ctdlmirror(tmp_path, "demo", "--seconds", "3", "--keep", str(tmp_path / "kept"))
    assert "EQUAL: both nodes hold the same records." in result.stdout
    assert "Verified: 77 collections" in result.stdout
    assert json.loads(ctdlmirror(tmp_path / "kept" / "beta", "status", "--json").stdout)["records"] >= IMPORTED


def test_rooms_and_users_of_one_name_both_survive_and_renaming_ends_it(
    node: Make, secret: Path, export: Path, tmp_path: Path
) -> None:
    alpha, beta = pair(node, secret, export)
    other = tmp_path / "other.xml"
    other.write_bytes(export.read_bytes().replace(b">alpha</config>", b">omega</config>"))  # a server of another name
    beta.run("import", str(other))
    beta.run("bootstrap", f"mirror://{alpha.address}", "--merge")
    beta.start()
    wait_equal(alpha, beta)
    rooms = alpha.json("room", "list")
    assert rooms == beta.json("room", "list")
    lobbies = [entry for entry in rooms if entry["name"].startswith("Lobby")]
    assert len(lobbies) == 2, rooms
    first, second = sorted(entry["name"] for entry in lobbies)
    assert (first, second) == ("Lobby", "Lobby (omega)")
    alpha.run("post", first, "in the first")
    alpha.run("post", second, "in the second")
    alpha.run("room", "rename", second, "Lounge")
    wait_equal(alpha, beta)
    assert "in the second" in beta.run("read", "Lounge").stdout
    assert "in the first" in beta.run("read", "Lobby").stdout
    assert alpha.run("user", "rename", "Bob Stone", "bad|name", check=False).returncode != 0
    alpha.run("user", "rename", "Bob Stone", "Robert Stone")
    wait_equal(alpha, beta)
    assert "Robert Stone" in {entry["name"] for entry in beta.json("user", "list")}
