"""What is here in files: whole or not at all, for their owner alone, and never in the place of others."""

import json
from pathlib import Path

from exports import small_export
from local import LocalNode

from mirror.citadel.migr.importer import Importer
from mirror.config.files import CONFIG_FILE
from mirror.config.reading import template
from mirror.config.settings import Config
from mirror.store.open import Options, open_store


def test_an_export_is_a_new_file_for_its_owner_alone_also_while_the_daemon_has_the_store(
    node: LocalNode, tmp_path: Path
) -> None:
    file = tmp_path / "out.xml"
    held = open_store(node.directory, options=Options("the daemon"))
    try:
        told = node.json("export", "--migr", str(file))
    finally:
        held.close()
    assert (told["file"], told["map"]) == (str(file), None)
    assert told["export"]["elements"]["message"] == 81 and told["export"]["server"] == "alpha"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["out.xml"]
    assert "81 messages, 10 users" in node.run("export", "--migr", "-").stderr


def test_nothing_is_overwritten(node: LocalNode, tmp_path: Path) -> None:
    file = tmp_path / "out.xml"
    file.write_text("mine")
    assert f"{file} exists" in node.run("export", "--migr", str(file), code=3).stderr
    assert file.read_text() == "mine"
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    node.run("export", "--migr", str(link), code=3)
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_cannot_be_written_is_named_and_leaves_nothing(node: LocalNode, tmp_path: Path) -> None:
    error = node.run("export", "--migr", str(tmp_path / "absent" / "out.xml"), code=3).stderr
    assert "absent/out.xml cannot be written: No such file" in error
    assert not (tmp_path / "absent").exists()


def test_what_comes_to_standard_output_is_the_same(node: LocalNode, tmp_path: Path) -> None:
    file = tmp_path / "out.xml"
    node.run("export", "--migr", str(file))
    assert node.run("export", "--migr", "-").stdout_bytes == file.read_bytes()


def test_a_map_says_what_has_another_number_or_name(tmp_path: Path) -> None:
    directory = tmp_path / "two"
    directory.mkdir()
    (directory / CONFIG_FILE).write_text(template(Config(directory, "m")))
    store = open_store(directory, "m")
    for server in (b"alpha", b"beta"):
        Importer(store, server.decode()).run([small_export().replace(b">alpha<", b">%s<" % server)])
    store.close()
    file = tmp_path / "out.xml"
    told = LocalNode(directory).json("export", "--migr", str(file))
    lines = [json.loads(line) for line in Path(told["map"]).read_text().splitlines()]
    assert len(lines) == told["export"]["renumbered"] > 0
    rooms = [one for one in lines if one["kind"] == "rooms"]
    assert [(one["was"], one["name"].startswith("Lobby (")) for one in rooms] == [(1, True)]


def test_a_node_without_a_store_is_told(tmp_path: Path) -> None:
    directory = tmp_path / "none"
    directory.mkdir()
    (directory / CONFIG_FILE).write_text(template(Config(directory, "m")))
    assert "there is no store" in LocalNode(directory).run("export", "--migr", "-", code=5).stderr


def test_it_says_what_it_wants(node: LocalNode) -> None:
    assert "say what to write" in node.run("export", code=2).stderr
