"""Rings, stars and meshes of four daemons end equal; a deletion stays, wherever it was made."""

from collections.abc import Callable
from pathlib import Path

import pytest
from nodes import NodeProcess, wait_equal

Make = Callable[[str], NodeProcess]
EDGES = {
    "ring": [(0, 1), (1, 2), (2, 3), (3, 0)],
    "star": [(1, 0), (2, 0), (3, 0)],
    "mesh": [(one, other) for one in range(4) for other in range(4) if one != other],
}


@pytest.mark.parametrize("topology", sorted(EDGES))
def test_four_nodes_end_equal(topology: str, node: Make, secret: Path, export: Path) -> None:
    nodes = [node(name) for name in ("alpha", "beta", "gamma", "delta")]
    nodes[0].run("import", str(export))
    for one in nodes:
        one.start()  # each learns its address
    for source, target in EDGES[topology]:
        nodes[source].knows(nodes[target], secret)
        if (target, source) not in EDGES[topology]:
            nodes[target].knows(nodes[source], secret, dial=False)
    for one in nodes:
        one.run("reload")
    wait_equal(*nodes)
    keys = [one.run("post", "Lobby", f"from {one.name}").stdout.strip() for one in nodes]
    wait_equal(*nodes)
    nodes[3].run("delete", "Lobby", keys[0])
    nodes[1].kill()
    nodes[2].run("post", "Lobby", "while one was down")
    nodes[1].start()
    wait_equal(*nodes)
    for one in nodes:
        texts = {entry["message"] for entry in one.json("read", "Lobby")}
        assert {"from beta", "from gamma", "from delta", "while one was down"} <= texts
        assert "from alpha" not in texts
        assert "no problems" in one.run("check").stdout
