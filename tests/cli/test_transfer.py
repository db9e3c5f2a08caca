"""What an import says at its end, and with which code it ends."""

import base64
import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from exports import small_export
from local import LocalNode
from recorded_server import Recording, accept_one

from mirror.citadel.bootstrap import ADMIN_SOCKET
from mirror.config.files import CONFIG_FILE
from mirror.config.reading import template
from mirror.config.settings import Config
from mirror.store.open import open_store


@pytest.fixture
def empty(tmp_path: Path) -> LocalNode:
    """A node that holds nothing."""
    directory = tmp_path / "empty"
    directory.mkdir()
    (directory / CONFIG_FILE).write_text(template(Config(directory, "alpha")))
    open_store(directory, "alpha").close()
    return LocalNode(directory)


@pytest.fixture
def save(tmp_path: Path) -> Callable[[bytes], str]:
    def write(data: bytes) -> str:
        file = tmp_path / "export.xml"
        file.write_bytes(data)
        return str(file)

    return write


def test_one_bad_entry_in_a_list_is_a_refused_line_and_ends_with_0(
    empty: LocalNode, save: Callable[[bytes], str]
) -> None:
    result = empty.run("import", save(small_export("10,11,²")))
    assert "Refused (1):\n  line 12: <room_messages>: room 'Lobby' lists '²'" in result.stdout
    assert "INCOMPLETE" not in result.output


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (
            b"<u_usernum>2<",
            b"<u_usernum>two<",
            "1 of its elements were refused, the first in line 6: <user>: u_usernum",
        ),
        (b"</citadel_migrate_data>", b"", "the export ends before its end tag"),
    ],
)
def test_an_element_refused_or_an_export_cut_ends_with_9_unless_that_is_accepted(
    empty: LocalNode, save: Callable[[bytes], str], old: bytes, new: bytes, why: str
) -> None:
    file = save(small_export().replace(old, new))
    result = empty.run("import", file, code=9)
    assert result.stderr.splitlines()[-1].startswith(f"INCOMPLETE: {why}")
    told = empty.run("import", file, "--json", code=9)
    assert json.loads(told.stdout)["incomplete"].startswith(why)
    accepted = empty.run("import", file, "--accept-incomplete")
    assert accepted.stderr.splitlines()[-1].startswith(f"INCOMPLETE: {why}")


def test_deletions_that_are_held_back_end_with_11_until_they_are_accepted(
    empty: LocalNode, save: Callable[[bytes], str]
) -> None:
    empty.run("import", save(small_export(",".join(map(str, range(10, 30))), count=20)))
    file = save(small_export())
    result = empty.run("import", file, code=11)
    assert result.stderr.splitlines()[-1].startswith("HELD BACK: the server has no more 18 of 20 of messages/alpha:1: ")
    told = json.loads(empty.run("import", file, "--json", code=11).stdout)
    assert told["held_back"] == "the server has no more 18 of 20 of messages/alpha:1"
    assert told["import"]["held"] == [{"collection": "messages/alpha:1", "gone": 18, "told": 20}]
    assert [one["held"] for one in told["import"]["gone"]] == [True] * 18
    assert {one["what"] for one in told["import"]["gone"]} == held_back(result.stdout)
    accepted = empty.run("import", file, "--accept-deletions")
    assert "18 records deleted, which the server has no more.\n" in accepted.stdout
    assert empty.run("read", "Lobby").stdout.count("text") == 2


def held_back(printed: str) -> set[str]:
    """Return the lines below "Held back"."""
    lines = printed.partition("Held back (18):\n")[2].splitlines()
    return {line.strip() for line in lines[:18]}


def test_a_dry_run_tells_what_would_be_written_deleted_and_held_back_and_writes_nothing(
    empty: LocalNode, save: Callable[[bytes], str]
) -> None:
    many = small_export(",".join(map(str, range(10, 30))), count=20)
    assert "would be written" in empty.run("import", save(many), "--dry-run").stdout
    assert json.loads(empty.run("status", "--json").stdout)["records"] == 0
    empty.run("import", save(many))
    file, shown = save(small_export()), empty.run("read", "Lobby").stdout
    assert "Held back (18):\n  message " in empty.run("import", file, "--dry-run", code=11).stdout
    told = empty.run("import", file, "--dry-run", "--accept-deletions").stdout
    assert "0 records would be written" not in told
    assert "18 records would be deleted, which the server has no more.\n" in told
    assert told.endswith("Nothing was written.\n") and told.count(" in room Lobby\n") == 18
    assert empty.run("read", "Lobby").stdout == shown
    assert json.loads(empty.run("import", file, "--dry-run", "--json", code=11).stdout)["dry_run"] is True


def test_confirmed_lines_of_ignet_begin_where_their_server_had_got_to(
    empty: LocalNode, save: Callable[[bytes], str]
) -> None:
    text = base64.b64encode(b"lastsent|10\nignet_push_share|bravo\n")
    setting = b'<config key="c_netconfig_0000000001">' + text + b"</config>\n<user>"
    empty.run("import", save(small_export().replace(b"<user>", setting, 1)))
    empty.run("netconf", "import", "--confirm")
    assert empty.run("netconf", "show", "Lobby").stdout == "lastsent|10\nignet_push_share|bravo\n"


def test_a_server_on_this_machine_is_copied_by_its_directory_and_files_that_it_does_not_give_are_incomplete(
    empty: LocalNode, tmp_path: Path, export: Path
) -> None:
    recording = Recording(export.read_bytes(), "17-admin-socket-read.txt", "07-files-and-pictures.txt")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / ADMIN_SOCKET))
        listening.listen(1)
        accept_one(listening, recording)
        tried = empty.run("bootstrap", f"citadel://{tmp_path}", "--dry-run", code=9)
        assert "Server alpha: 81 messages" in tried.stdout and "Nothing was written.\n" in tried.stdout
        assert json.loads(empty.run("status", "--json").stdout)["records"] == 0
        accept_one(listening, recording)
        result = empty.run("bootstrap", f"citadel://{tmp_path}", code=9)
        assert "Server alpha: 81 messages" in result.stdout
        assert result.stderr.splitlines()[-1].startswith("INCOMPLETE: 2 room files")
        accept_one(listening, recording)
        empty.run("bootstrap", f"citadel://{tmp_path}", "--accept-incomplete")


def test_a_dry_run_of_a_copy_from_a_node_is_wrong_usage(empty: LocalNode) -> None:
    assert "'ctdlmirror verify PEER'" in empty.run("bootstrap", "mirror://127.0.0.1:1", "--dry-run", code=2).stderr


def test_a_url_without_host_or_directory_is_refused(empty: LocalNode) -> None:
    for url in ("citadel://", "citadel:///", "http://x"):
        assert "is no citadel://ADMIN@HOST:PORT or citadel:///DIRECTORY" in empty.run("bootstrap", url, code=3).stderr
