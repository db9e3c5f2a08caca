"""What an administrator does with a node that has a twin: look, and begin a new life of its store."""

import time

from local import LocalNode

from mirror.store.open import open_store
from mirror.sync.twins import read_identity, read_refusal


def test_renew_gives_a_new_epoch_and_says_what_it_renamed(node: LocalNode) -> None:
    store = open_store(node.directory)
    store.write(lambda writer: writer.set_fields("users", "alpha:2", {"u_fullname": "Anna"}))
    store.write(lambda writer: writer.set_meta("refused", "main has refused it"))
    before = store.read(lambda reader: read_identity(reader, ""))
    store.close()
    assert "  main has refused it\n" in node.run("status").stdout
    later = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 60))
    none = node.json("renew", "--since", later)
    assert (none["records"], none["origin"]) == (0, f"alpha~{none['epoch'][:8]}")
    node.run("renew")
    store = open_store(node.directory)
    after = store.read(lambda reader: read_identity(reader, ""))
    assert store.read(read_refusal) == ""
    assert len({before.epoch, none["epoch"], after.epoch}) == 3
    store.close()


def test_what_was_written_since_a_moment_is_renamed(node: LocalNode) -> None:
    store = open_store(node.directory)
    store.write(lambda writer: writer.set_fields("users", "alpha:2", {"u_fullname": "Anna"}))
    store.close()
    told = node.run("renew", "--since", "2026-01-01").stdout
    assert told.startswith("1 records and 0 conflicts that were written here are of alpha~")
    assert "yesterday" in node.run("renew", "--since", "yesterday", code=2).stderr
