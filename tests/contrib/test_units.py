"""The units are closed but for what a node needs, and say how a node ends."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from made_followed import a_server
from made_live import listening

from mirror.citadel.bootstrap import ADMIN_SOCKET, copy_server
from mirror.store.sqlite.store import SqliteStore

CONTRIB = Path(__file__).parents[2] / "contrib"
ANALYZE = shutil.which("systemd-analyze")
ACTIVATE = shutil.which("systemd-socket-activate")


def settings(unit: str) -> dict[str, str]:
    text = (CONTRIB / unit).read_text("utf-8")
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def test_the_node_is_up_once_it_says_so_and_is_not_started_again_by_wrong_settings() -> None:
    unit = settings("ctdlmirror.service")
    assert (unit["Type"], unit["UMask"], unit["LimitNOFILE"]) == ("notify", "0077", "65536")
    assert int(unit["WatchdogSec"]) > 0 and unit["ExecReload"].endswith("reload")
    assert unit["RestartPreventExitStatus"] == "2 3"  # docs/exit-codes.md: wrong usage, configuration


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not here")
@pytest.mark.parametrize(("unit", "most"), [("ctdlmirror.service", 2.0), ("citadel-mirror-door.service", 2.0)])
def test_what_is_open_is_little(unit: str, most: float) -> None:
    done = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", str(CONTRIB / unit)], capture_output=True, text=True, check=False
    )
    found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) < most, done.stdout


@contextmanager
def handed_on(door: Path, command: list[str]) -> Iterator[None]:
    """Have what comes in at a socket be handed to a command, as a socket unit does."""
    told = subprocess.Popen([str(ACTIVATE), f"--listen={door}", *command], stderr=subprocess.PIPE, text=True)
    try:
        assert told.stderr is not None and "Listening on" in told.stderr.readline()
        yield
    finally:
        told.terminate()
        told.communicate()


@pytest.mark.skipif(ACTIVATE is None, reason="systemd-socket-activate is not here")
def test_a_server_is_copied_through_the_door_with_the_command_of_its_unit(tmp_path: Path) -> None:
    behind, door, kept = (tmp_path / name for name in ("behind", "door", "kept"))
    for directory in (behind, door, kept):
        directory.mkdir()
    command = settings("citadel-mirror-door.service")["ExecStart"].split()
    if not Path(command[0]).exists():
        pytest.skip(f"{command[0]} is not here")
    assert settings("citadel-mirror-door.socket")["ListenStream"].endswith(f"/{ADMIN_SOCKET}")
    store = SqliteStore(kept, "m")
    with listening(a_server(), behind), handed_on(door / ADMIN_SOCKET, [*command[:-1], str(behind / ADMIN_SOCKET)]):
        copy_server(store, door)
    assert store.read(lambda reader: reader.digests()["messages/alpha:1"].count) == 3
    store.close()
