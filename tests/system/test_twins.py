"""Two nodes of one name as real processes: a copied directory is refused while the node it was copied from lives."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nodes import NodeProcess, wait_equal

Make = Callable[[str], NodeProcess]
REFUSED = "two nodes call themselves beta: "


class Copied(NodeProcess):
    """A node whose directory is a copy of another one's."""

    def __init__(self, directory: Path, of: NodeProcess) -> None:
        shutil.copytree(of.directory, directory / of.name)
        super().__init__(directory, of.name)

    def set_up(self, listen: str = "127.0.0.1:0") -> None:
        config = self.directory / "mirror.toml"
        config.write_text(re.sub(r'addresses = \["[^"]*"\]', f'addresses = ["{listen}"]', config.read_text(), count=1))

    def configure(self, old: str, new: str) -> None:
        """It is as it is there."""


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[Callable[[NodeProcess], NodeProcess]]:
    """Copies the directory of a node whose daemon does not run."""
    made: list[NodeProcess] = []

    def copy(of: NodeProcess) -> NodeProcess:
        (tmp_path / "elsewhere").mkdir()
        made.append(Copied(tmp_path / "elsewhere", of))
        return made[-1]

    yield copy
    for one in made:
        if one.process is not None:
            one.kill()


def test_a_copied_node_is_refused_and_goes_on_once_it_is_renewed(
    node: Make, copied: Callable[[NodeProcess], NodeProcess], secret: Path, export: Path
) -> None:
    main, beta = node("main"), node("beta")
    main.run("import", str(export))
    main.knows(beta, secret, dial=False)
    main.start()
    beta.knows(main, secret)
    beta.run("bootstrap", f"mirror://{main.address}")
    copy = copied(beta)
    beta.start()
    beta.wait_log("link to main is up")

    copy.start()
    copy.wait_log(f"link to main: {REFUSED}")
    main.wait_log(f"peer beta: refused at .*: {REFUSED}")
    for one in (main, copy):
        assert REFUSED in one.json("status")["twins"][0]
        assert REFUSED in one.run("status").stdout
    beta.run("post", "Lobby", "at the original")
    copy.run("post", "Lobby", "at the copy")
    wait_equal(main, beta)
    assert beta.run("verify", "main").returncode == 0  # beside its daemon it is the same
    refused = copy.run("verify", "main", check=False)
    assert (refused.returncode, REFUSED in refused.stderr) == (3, True)

    beta.stop()
    copy.stop()
    assert copy.json("renew")["records"] > 0
    copy.start()
    wait_equal(main, copy)
    copy.stop()
    beta.start()
    assert "has replaced" in beta.wait_log(f"link to main: {REFUSED}")
    assert {"at the original", "at the copy"} <= {entry["message"] for entry in main.json("read", "Lobby")}
    assert copy.json("status")["twins"] == []
