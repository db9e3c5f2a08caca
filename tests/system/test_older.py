"""A node of 0.1.0 and one of today are equal in the end, whichever of them dials and wherever a change was made."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nodes import NodeProcess, wait_equal

Make = Callable[[str], NodeProcess]
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
def old(tmp_path: Path, release: Path) -> Iterator[NodeProcess]:
    """A node that runs 0.1.0, in today's environment."""
    environment = {**os.environ, "PYTHONPATH": str(release)}
    where = [sys.executable, "-P", "-c", "import mirror; print(mirror.__file__)"]
    found = subprocess.run(where, env=environment, cwd=release, capture_output=True, text=True, check=True).stdout
    assert Path(found.strip()).is_relative_to(release)
    program = (sys.executable, "-P", "-m", "mirror")
    node = NodeProcess(tmp_path, "old", program=program, environment=environment, workplace=release)
    yield node
    if node.process is not None:
        node.kill()


@pytest.mark.parametrize("old_dials", [False, True], ids=["new-dials", "old-dials"])
def test_old_and_new_end_equal(
    old: NodeProcess, node: Make, secret: Path, export: Path, tmp_path: Path, old_dials: bool
) -> None:
    new = node("new")
    listens, dials = (new, old) if old_dials else (old, new)
    listens.run("import", str(export))
    listens.knows(dials, secret, dial=False)
    listens.start()
    dials.knows(listens, secret)
    assert dials.json("bootstrap", f"mirror://{listens.address}")["unequal"] == []
    dials.start()
    dials.wait_log(f"link to {listens.name} is up, pushing too")

    event = tmp_path / "event.ics"
    for number, (one, other) in enumerate(((old, new), (new, old)), 1):
        deleted = one.run("post", "Lobby", f"deleted, from {one.name}").stdout.strip()
        one.run("post", "Lobby", f"kept, from {one.name}")
        event.write_text(EVENT.format(summary=f"moved by {one.name}", sequence=number))
        one.run("calendar", "add", str(event), "--room", "Team Calendar")
        wait_equal(old, new)
        other.run("delete", "Lobby", deleted)
        wait_equal(old, new)
        for reader in (old, new):
            texts = {entry["message"].strip() for entry in reader.json("read", "Lobby", "--limit", "100")}
            assert f"kept, from {one.name}" in texts
            assert f"deleted, from {one.name}" not in texts
            assert f"SUMMARY:moved by {one.name}" in reader.run("read", "Team Calendar").stdout
    assert "collections are equal" in dials.run("verify", listens.name).stdout
    for one in (old, new):
        assert "no problems" in one.run("check").stdout
        assert "No conflicts" in one.run("conflicts", "list").stdout
        assert not any(" ERROR " in line for line in one.log)
