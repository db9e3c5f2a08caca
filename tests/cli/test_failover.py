"""What acts is moved from one server to another by command, as it was told, where no daemon runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from local import LocalNode
from made_live import LiveServer, listening

from mirror.citadel.meaning.homes import read_home, read_word, settle
from mirror.config.files import CONFIG_FILE
from mirror.config.reading import template
from mirror.config.settings import Config
from mirror.formats.message import serialize_message
from mirror.model.draft import Base
from mirror.model.record import Record, pack_head
from mirror.model.status import Status
from mirror.store.base import Store, Writer
from mirror.store.open import open_store
from mirror.sync.share.rules import NETCONF_KEY, PROPOSED

PLACE, ELSEWHERE = "citadel:alpha", "citadel:beta"
RULE = "rule|0|all|||||redirect||x@example.net||stop"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[LocalNode]:
    """A node beside a made-up server, which has a room with a list and a user with rules that are at home elsewhere."""
    server = LiveServer()
    server.user(1, "admin")
    directory, home = tmp_path / "main", tmp_path / "citadel"
    directory.mkdir()
    home.mkdir()
    (directory / CONFIG_FILE).write_text(template(Config(directory, "main")))
    open_store(directory, "main").close()
    password = tmp_path / "password"
    password.write_text("pw\n")
    password.chmod(0o600)
    found = LocalNode(directory)
    with listening(server, home):
        both = ("--direction", "both", "--service", "admin", "--password-file", str(password))
        found.run("attach", f"citadel://{home}", *both)
        change(found, lambda store: store.write(_hold))
        yield found


def _hold(writer: Writer) -> None:
    lines = b"listrecp|a@example.net\npop3client|mail|ann|secret|0|60\nroommailalias|x@example.net\n"
    head = pack_head({PROPOSED: True})
    body = serialize_message([("I", b"r@beta"), ("M", f"Content-type: x/y\n\n{RULE}\n".encode())], 4)
    writer.set_fields("rooms", "alpha:1", {"QRname": "Lobby", "QRflags": "2"})
    writer.set_fields("users", "alpha:2", {"u_fullname": "Ann"})
    writer.put(Record("netconf/alpha:1", NETCONF_KEY, 1, "", 1, head=head, body=lines))
    writer.put(Record("netconf/gamma:9", NETCONF_KEY, 1, "", 1, head=head, body=lines))  # which the server has not
    writer.put(Record("inbox-rules", "alpha:2", 1, "", 1, body=body))
    for collection, key in (("rooms", "alpha:1"), ("users", "alpha:2")):
        writer.put_statuses(PLACE, [Status(collection, key, key, "", Base(0, ""), 0)])
        settle(writer, collection, key, ELSEWHERE)


def change(node: LocalNode, job) -> object:
    store: Store = open_store(node.directory, "main")
    try:
        return job(store)
    finally:
        store.close()


def said(node: LocalNode, collection: str, key: str) -> tuple[str, str, bool, object]:
    def job(reader):
        home = read_home(reader, collection, key)
        return home.place, home.last, home.given_up, read_word(reader, PLACE, collection, key)

    return change(node, lambda store: store.read(job))


def test_what_acts_is_told_without_passwords_and_a_dry_run_moves_nothing(node: LocalNode) -> None:
    shown = node.run("attach", "failover", "alpha", "--dry-run").stdout
    assert "pop3client|mail|ann|...|0|60" in shown and "secret" not in shown and "roommailalias" not in shown
    assert "Nothing is moved." in shown
    told = node.json("attach", "failover", "alpha", "--dry-run")["acting"]
    assert [(one["kind"], one["name"], one["home"], one["waits"]) for one in told] == [
        ("rooms", "Lobby", ELSEWHERE, False),
        ("users", "Ann", ELSEWHERE, False),
    ]
    assert said(node, "rooms", "alpha:1") == (ELSEWHERE, "", True, None)


def test_it_is_moved_once_somebody_said_yes_and_waits_until_it_is_given_up(node: LocalNode) -> None:
    assert node.try_to("attach", "failover", "alpha").exit_code != 0  # nobody is at the terminal
    assert said(node, "rooms", "alpha:1")[0] == ELSEWHERE
    told = node.json("attach", "failover", "alpha", "--rooms", "lob*", "--yes")
    assert [one["name"] for one in told["moved"]] == ["Lobby"]
    place, last, given_up, word = said(node, "rooms", "alpha:1")
    assert (place, last, given_up, word.lost) == (PLACE, ELSEWHERE, False, False)
    assert word.lines == ("listrecp|a@example.net", "pop3client|mail|ann|secret|0|60")
    assert said(node, "users", "alpha:2")[0] == ELSEWHERE
    shown = node.run("attach", "failover", "alpha", "--users", "ann", "--yes").stdout
    assert "What acts of 0 rooms and 1 users will be in force on alpha once the server" in shown
    shown = node.run("attach", "failover", "alpha", "--yes").stdout
    assert "What acts of 1 rooms and 1 users is to be in force on alpha already, and waits" in shown
    named = node.run("attach", "failover", "alpha", "--rooms", "nothing like it", "--yes").stdout
    assert named == "Nothing that acts was named.\n"
    assert [one["waits"] for one in node.json("attach", "failover", "alpha", "--dry-run")["acting"]] == [True, True]
    moved = node.json("attach", "failover", "alpha", "--lost", "--yes")["moved"]
    assert len(moved) == 2 and said(node, "rooms", "alpha:1")[3].lost


def test_just_an_attachment_that_is_written_into_can_have_it(node: LocalNode) -> None:
    assert "there is no attachment beta" in node.run("attach", "failover", "beta", "--yes", code=3).stderr
    node.run("attach", str(node.json("attach", "list")["attachments"][0]["place"]), "--direction", "from")
    error = node.run("attach", "failover", "alpha", "--yes", code=8).stderr
    assert "nothing is written into alpha: 'ctdlmirror attach' with --direction both changes that" in error
