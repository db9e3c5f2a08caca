"""Conflicts as an administrator resolves them."""

from local import LocalNode

from mirror.model.draft import Draft, base_of
from mirror.model.record import Record
from mirror.store.open import open_store


def make_conflicts(node: LocalNode, *names: str) -> None:
    """Write files twice from the same version, so that the first of both loses."""
    store = open_store(node.directory)
    for name in names:
        first = store.write(lambda writer, name=name: writer.put(Record("files/alpha:2", name, 1, "x", 1, body=b"old")))
        for body in (b"lost", b"won"):
            draft = Draft("files/alpha:2", name, base_of(first), body=body)
            store.write(lambda writer, draft=draft: writer.write(draft))
    store.close()


def bodies(node: LocalNode) -> list[bytes]:
    store = open_store(node.directory)
    found = store.read(lambda reader: sorted(record.body for record in reader.scan_all("files/alpha:2")))
    store.close()
    return found


def test_a_conflict_is_listed_until_it_is_dismissed(node: LocalNode) -> None:
    make_conflicts(node, "plan.txt")
    (found,) = node.json("conflicts", "list")
    shown = node.run("conflicts", "show", str(found["number"])).stdout
    assert "lost" in shown and "'dismiss'" in shown
    assert f"Dismissed {found['number']}" in node.run("conflicts", "dismiss", str(found["number"])).stdout
    assert node.json("conflicts", "list") == []
    assert bodies(node) == [b"won"]
    assert "It is resolved already." in node.run("conflicts", "show", str(found["number"])).stdout


def test_both_are_kept_and_the_place_of_the_copy_is_told(node: LocalNode) -> None:
    make_conflicts(node, "plan.txt")
    (found,) = node.json("conflicts", "list")
    (kept,) = node.json("conflicts", "keep-both", str(found["number"]))
    assert kept["number"] == found["number"]
    assert kept["where"].startswith("files/alpha:2 plan (kept-")
    assert bodies(node) == [b"lost", b"won"]
    assert node.json("conflicts", "list") == []


def test_all_are_restored_or_dismissed_at_once(node: LocalNode) -> None:
    make_conflicts(node, "one", "two")
    assert len(node.json("conflicts", "restore", "--all")) == 2
    assert bodies(node) == [b"lost", b"lost"]
    make_conflicts(node, "three")
    node.run("conflicts", "dismiss", "--all")
    assert node.run("conflicts", "dismiss", "--all").stdout == "No conflicts.\n"


def test_what_is_wrong_is_one_line(node: LocalNode) -> None:
    assert node.run("conflicts", "show", "99", code=12).stderr == "ctdlmirror: there is no conflict 99\n"  # no number
    for action in ("restore", "dismiss", "keep-both"):
        said = node.run("conflicts", action, "99", code=12).stderr
        assert said == "ctdlmirror: there is no conflict 99; 'ctdlmirror conflicts list' shows those there are\n"
    assert "name the NUMBERS" in node.run("conflicts", "keep-both", code=2).output
    assert "name the NUMBERS" in node.run("conflicts", "restore", code=2).output
