"""A record that a node cannot take stops nothing between two daemons, and is taken once it is mended."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

from nodes import NodeProcess, wait_equal, wait_for

from mirror.model.record import Record, pack_head, record_bytes, record_crc
from mirror.model.stamp import make_stamp
from mirror.store.base import Writer
from mirror.store.open import open_store

Make = Callable[[str], NodeProcess]


def let_in(node: NodeProcess) -> Record:
    """Have a stopped node's store hold what no node takes, as one that an older version wrote may."""
    store = open_store(node.directory)
    stamp = make_stamp(store.clock.now_ms() - 1000)
    bad = Record("users", "alpha:77", stamp, "alpha", stamp, head=pack_head({"u_fullname": ["a", "list"]}))

    def job(writer: Writer) -> None:
        writer.replace(bad.collection, [(bad, record_crc(bad))], [])  # type: ignore[attr-defined]

    store.write(job)
    store.close()
    return bad


def test_one_bad_record_stops_nothing(node: Make, secret: Path, export: Path) -> None:
    alpha, beta = node("alpha"), node("beta")
    alpha.run("import", str(export))
    alpha.knows(beta, secret, dial=False)
    alpha.start()
    beta.knows(alpha, secret)
    beta.run("bootstrap", f"mirror://{alpha.address}")
    alpha.stop()
    bad = let_in(alpha)
    alpha.start()
    alpha.run("post", "Lobby", "behind the bad one")
    beta.start()
    beta.wait_log("link to alpha is up")
    wait_for(lambda: "behind the bad one" in beta.run("read", "Lobby").stdout, True, alpha, beta)
    beta.run("post", "Lobby", "and the other way")
    wait_for(lambda: "and the other way" in alpha.run("read", "Lobby").stdout, True, alpha, beta)

    (one,) = [one for one in beta.json("aside", "list", "alpha") if one["collection"] == "users"]
    assert (one["key"], int(one["crc"], 16)) == ("alpha:77", record_crc(bad))
    assert "its fields cannot be read" in beta.run("aside", "show", "alpha", "users", "alpha:77").stdout
    beta.run("aside", "export", str(beta.directory / "aside.jsonl"), "alpha")
    exported = [json.loads(line) for line in (beta.directory / "aside.jsonl").read_text().splitlines()]
    assert record_bytes(bad) in [base64.b64decode(line["data"]) for line in exported]
    assert "set aside: 'ctdlmirror aside list alpha'" in beta.run("status").stdout
    assert "collections are equal but for" in beta.run("verify", "alpha").stdout
    assert "fields cannot be read" in alpha.run("check", check=False).stdout
    for daemon in (alpha, beta):
        assert not any("Traceback" in line for line in daemon.log)


def test_nothing_is_set_aside_between_nodes_that_are_well(node: Make, secret: Path, export: Path) -> None:
    alpha, beta = node("alpha"), node("beta")
    alpha.run("import", str(export))
    alpha.knows(beta, secret, dial=False)
    alpha.start()
    beta.knows(alpha, secret)
    beta.run("bootstrap", f"mirror://{alpha.address}")
    beta.start()
    wait_equal(alpha, beta)
    assert beta.run("aside", "list").stdout == "Nothing is set aside.\n"
    assert beta.json("aside", "retry") == {"written": 0, "left": 0}
