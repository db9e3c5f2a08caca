"""What an administrator does about a clock: look, believe it, mend what it stamped."""

import time
from pathlib import Path

from local import LocalNode

from mirror.addresses import Address
from mirror.config.changing import save_peer
from mirror.config.settings import Peer
from mirror.store.check import check_store
from mirror.store.open import Options, open_store

DAY_MS = 86_400_000


def ahead(days: int) -> Options:
    return Options(now_ms=lambda: time.time_ns() // 1_000_000 + days * DAY_MS)


def write_at(node: LocalNode, days: int) -> None:
    """Have the node's store written as if its clock were so many days ahead."""
    store = open_store(node.directory, "alpha", options=ahead(days))
    store.write(lambda writer: writer.set_fields("users", "alpha:2", {"u_fullname": "from another day"}))
    store.close()


def add_peer(node: LocalNode, name: str = "beta") -> None:
    save_peer(node.directory, Peer(name, Address("127.0.0.1", 1)))


def test_show_tells_what_is_ahead_and_repair_mends_it(node: LocalNode) -> None:
    assert "Nothing is ahead of it." in node.run("clock", "show").stdout
    write_at(node, 400)
    shown = node.run("clock", "show", code=1).stdout
    assert "  users: 1\n" in shown
    assert "stop the daemon and run 'ctdlmirror clock repair'" in shown
    assert "  clock: the newest stamp here, " in node.run("status").stdout
    told = node.run("clock", "show", "--json", code=1)
    assert '"ahead": {\n    "users": 1\n  }' in told.stdout
    epoch = node.json("status")["epoch"]
    refused = node.run("clock", "repair", code=10).stderr
    assert "no mirror that answers says the same" in refused and "--yes" in refused
    assert node.json("status")["epoch"] == epoch
    repaired = node.run("clock", "repair", "--yes").stdout
    assert repaired.startswith("1 records, 0 versions that had lost and 0 signs of life were ahead")
    assert node.json("status")["epoch"] != epoch
    node.run("clock", "show")
    assert node.run("clock", "repair").stdout == "Nothing is ahead of this machine's clock.\n"
    store = open_store(node.directory)
    assert check_store(store).problems == []
    store.close()


def test_without_a_daemon_a_doubted_clock_writes_nothing_until_it_is_accepted(
    node: LocalNode, export: Path, tmp_path: Path
) -> None:
    later = tmp_path / "later.xml"
    later.write_bytes(export.read_bytes().replace(b"<u_fullname>Hana<", b"<u_fullname>Hannah<"))
    add_peer(node)
    write_at(node, -3)
    assert "nothing is written until" in node.run("user", "rename", "from another day", "Ann", code=8).stderr
    assert "nothing is written until" in node.run("import", str(later), code=10).stderr
    assert "Doubted: this machine's clock says" in node.run("clock", "show", code=1).stdout
    assert "from now on this is believed" in node.run("clock", "accept").stdout
    node.run("clock", "show")
    assert node.run("import", str(later)).stdout.count("1 records written") == 1
