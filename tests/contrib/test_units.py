"""The units are closed but for what a node needs, and say how a node ends."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

CONTRIB = Path(__file__).parents[2] / "contrib"
ANALYZE = shutil.which("systemd-analyze")


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
