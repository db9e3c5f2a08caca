"""Nodes of 0.1.0 are upgraded to today's program, one after the other, and nothing is lost."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from accounts import Person
from nodes import NodeProcess, wait_equal

from mirror.cli import processes

MakeOld = Callable[[str], NodeProcess]
Upgrade = Callable[[NodeProcess], NodeProcess]
TOP = Path(__file__).parents[2]
RELEASE = "6b41f7f"
"""The commit of 0.1.0."""
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


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of 0.1.0."""
    known = subprocess.run(
        ["git", "-C", str(TOP), "cat-file", "-e", f"{RELEASE}^{{commit}}"], capture_output=True, check=False
    )
    if known.returncode:
        pytest.skip(f"this copy of the repository does not have the history back to {RELEASE} (0.1.0)")
    tree = tmp_path_factory.mktemp("release")
    archive = subprocess.run(["git", "-C", str(TOP), "archive", RELEASE], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(tree)], input=archive, check=True)
    return tree


@pytest.fixture
def make_old(tmp_path: Path, release: Path) -> Iterator[MakeOld]:
    """Makes nodes that run 0.1.0, in today's environment."""
    environment = {**os.environ, "PYTHONPATH": str(release)}
    where = [sys.executable, "-P", "-c", "import mirror; print(mirror.__file__)"]
    found = subprocess.run(where, env=environment, cwd=release, capture_output=True, text=True, check=True).stdout
    assert Path(found.strip()).is_relative_to(release)
    program = (sys.executable, "-P", "-m", "mirror")
    made: list[NodeProcess] = []

    def make(name: str) -> NodeProcess:
        made.append(NodeProcess(tmp_path, name, program=program, environment=environment, workplace=release))
        return made[-1]

    yield make
    for node in made:
        if node.process is not None:
            node.kill()


def post(node: NodeProcess, text: str) -> str:
    return node.run("post", "Lobby", text).stdout.strip()


def move(node: NodeProcess, file: Path, summary: str, sequence: int) -> None:
    file.write_text(EVENT.format(summary=summary, sequence=sequence))
    node.run("calendar", "add", str(file), "--room", "Team Calendar")


@pytest.fixture
def upgraded() -> Iterator[Upgrade]:
    """Gives the same node, to be run by today's program, where the old one is stopped; ends what still runs."""
    made: list[NodeProcess] = []

    def upgrade(old: NodeProcess) -> NodeProcess:
        old.stop()
        new = NodeProcess.__new__(NodeProcess)
        processes.NodeProcess.__init__(new, old.directory, old.name)
        new.pin = old.pin
        made.append(new)
        return new

    yield upgrade
    for node in made:
        if node.process is not None:
            node.kill()


@pytest.mark.parametrize("first", ["listens", "dials"])
def test_two_nodes_of_the_release_before_are_upgraded_one_by_one(
    make_old: MakeOld, upgraded: Upgrade, secret: Path, export: Path, tmp_path: Path, first: str
) -> None:
    """The link pauses while they differ, with a line that says what to do, and goes on where it was."""
    alpha, beta = make_old("alpha"), make_old("beta")
    event = tmp_path / "event.ics"
    alpha.run("import", str(export))
    alpha.knows(beta, secret, dial=False)
    alpha.start()
    beta.knows(alpha, secret)
    assert beta.json("bootstrap", f"mirror://{alpha.address}")["unequal"] == []
    beta.start()
    beta.wait_log("link to alpha is up, pushing too")
    post(alpha, "before, from alpha")
    doomed = post(beta, "deleted meanwhile")
    move(beta, event, "before", 1)
    wait_equal(alpha, beta)

    if first == "listens":
        alpha = upgraded(alpha)
        alpha.start()
        alpha.wait_log("refused: peer beta speaks protocol 1, this node 2: upgrade it")
    else:
        beta = upgraded(beta)
        beta.start()
        beta.wait_log("link to alpha: peer alpha speaks protocol 1, this node 2: upgrade it")
        assert "upgrade it" in beta.run("status").stdout
    post(alpha, "meanwhile, from alpha")
    post(beta, "meanwhile, from beta")
    alpha.run("delete", "Lobby", doomed)
    move(alpha, event, "moved by alpha", 2)
    assert "meanwhile, from beta" not in alpha.run("read", "Lobby").stdout

    if first == "listens":
        beta = upgraded(beta)
        beta.start()
    else:
        alpha = upgraded(alpha)
        alpha.start()
    beta.wait_log("link to alpha is up, pushing too")
    wait_equal(alpha, beta)
    for node in (alpha, beta):
        texts = {entry["message"].strip() for entry in node.json("read", "Lobby", "--limit", "100")}
        assert {"before, from alpha", "meanwhile, from alpha", "meanwhile, from beta"} <= texts
        assert "deleted meanwhile" not in texts
        assert "SUMMARY:moved by alpha" in node.run("read", "Team Calendar").stdout
        assert "no problems" in node.run("check").stdout
    assert not any("reconciled with" in line for line in beta.log)  # cursors stay good
    assert "collections are equal" in beta.run("verify", "alpha").stdout
    alpha.stop()
    beta.stop()


def test_a_persons_client_of_today_says_what_to_do_about_a_node_of_the_release_before(
    make_old: MakeOld, upgraded: Upgrade, export: Path, tmp_path: Path
) -> None:
    alpha = make_old("alpha")
    alpha.run("import", str(export))
    person = Person(tmp_path / "home", alpha.start())
    said = person.init(code=3).output
    assert "cannot keep folders equal yet" in said and "upgrade it" in said and not person.config.exists()
    alpha = upgraded(alpha)
    alpha.start()
    person.init()
    assert person.json("sync", "contacts")["contacts"]["received"]["new"] == 10
