"""Every command over hostile data: what others wrote reaches neither the terminal's controls nor a script's parser."""

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from evil import CLIENTS, EVIL
from local import LocalNode

from mirror.cli import output
from mirror.cli.app import cli
from mirror.formats.compose import compose_post
from mirror.formats.names import ROOM_IN_USE
from mirror.model.draft import Draft, base_of
from mirror.model.record import Record, pack_head, record_crc
from mirror.printable import one_line
from mirror.store.open import open_store

STAMP = 1_700_000_000_000 << 16
ROOM, DEAD_ROOM, USER = "alpha:666", "alpha:667", "alpha:668"

WALK: dict[tuple[str, ...], tuple[str, ...]] = {
    ("aside", "export"): ("{tmp}/aside",),
    ("aside", "forget"): ("evil",),
    ("aside", "list"): (),
    ("aside", "retry"): (),
    ("aside", "show"): ("evil", f"files/{ROOM}", EVIL),
    ("attach", "add"): ("{place}",),
    ("attach", "approve"): ("there",),
    ("attach", "failover"): ("there", "--yes"),
    ("attach", "list"): (),
    ("attach", "pair"): ("there", "users", "1", USER),
    ("attach", "pause"): ("there",),
    ("attach", "refuse"): ("there",),
    ("attach", "remove"): ("there",),
    ("attach", "resume"): ("there",),
    ("attach", "show"): ("there",),
    ("backup",): ("{tmp}/backup",),
    ("bootstrap",): ("mirror://127.0.0.1:{port}",),
    ("calendar", "add"): ("{evil_file}", "--room", ROOM),
    ("calendar", "export"): ("{tmp}/calendar", "--room", ROOM),
    ("calendar", "list"): ("--room", ROOM),
    ("cert", "renew"): (),
    ("cert", "show"): (),
    ("check",): (),
    ("clock", "accept"): (),
    ("clock", "repair"): ("--yes",),
    ("clock", "show"): (),
    ("config", "check"): (),
    ("conflicts", "dismiss"): ("1",),
    ("conflicts", "keep-both"): ("1",),
    ("conflicts", "list"): (),
    ("conflicts", "restore"): ("1",),
    ("conflicts", "show"): ("1",),
    ("delete",): (ROOM, EVIL),
    ("export",): ("--files", ROOM, "{tmp}/files"),
    ("file", "get"): (ROOM, EVIL, "--to", "{tmp}/got"),
    ("file", "list"): (ROOM,),
    ("file", "put"): (ROOM, "{evil_file}", "--name", EVIL),
    ("import",): ("{evil_file}",),
    ("init",): (),
    ("join",): (),
    ("multi-user",): (),
    ("netconf", "check"): ("{evil_file}",),
    ("netconf", "export"): (ROOM, "{tmp}/lines"),
    ("netconf", "import"): (),
    ("netconf", "show"): (ROOM,),
    ("peer", "add"): ("gamma", "--new-secret", "{tmp}/new"),
    ("peer", "invite"): ("gamma",),
    ("peer", "list"): (),
    ("peer", "remove"): (EVIL,),
    ("post",): (ROOM, EVIL, "--subject", EVIL),
    ("read",): (ROOM,),
    ("rebuild",): ("{place}",),
    ("reload",): (),
    ("renew",): (),
    ("restore",): ("{evil_file}",),
    ("room", "create"): (EVIL,),
    ("room", "delete"): (ROOM, "--yes"),
    ("room", "list"): (),
    ("room", "rename"): (ROOM, "Good"),
    ("room", "restore"): (DEAD_ROOM,),
    ("room", "share"): (ROOM, "evil"),
    ("room", "show"): (ROOM,),
    ("room", "unshare"): (ROOM, "evil"),
    ("status",): (),
    ("user", "delete"): (USER, "--yes"),
    ("user", "list"): (),
    ("user", "rename"): (USER, "Good"),
    ("verify",): ("evil",),
    ("version",): (),
}
"""What each command is called with."""
LEFT_OUT = {
    ("client", "watch"): "goes on for ever, and tells of each round what 'client sync' tells",
    ("completion",): "prints a script of click's",
    ("daemon",): "prints nothing but its log, which has tests/test_printable.py",
    ("help",): "prints what is written here",
    ("demo",): "shows two nodes that it makes itself",
    ("netconf", "edit"): "is the administrator's editor",
}


def leaves(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command that runs something, with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from leaves(command, (*before, name))
        else:
            yield (*before, name), command


COMMANDS = dict(leaves(cli))


def test_every_command_is_walked_or_left_out_for_a_reason() -> None:
    assert set(COMMANDS) == set(WALK) | set(LEFT_OUT) | CLIENTS


PEOPLES = {("version",), ("netconf", "edit"), ("netconf", "export"), ("netconf", "show"), *LEFT_OUT} - {
    ("client", "watch")
}
"""Commands without ``--json``: they show a document, or are for people alone."""


def test_a_script_can_ask_every_command_for_json() -> None:
    without = {words for words, one in COMMANDS.items() if not any("--json" in option.opts for option in one.params)}
    assert without == PEOPLES


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a server that greets and answers with an error full of what a terminal obeys."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_answer, args=(listening,), daemon=True).start()
        yield listening.getsockname()[1]


def _answer(listening: socket.socket) -> None:
    evil = EVIL.replace("\n", "").encode()
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            connection.sendall(b"200 " + evil + b"\n")
            connection.recv(1000)
            connection.sendall(b"550 " + evil + b"\n")


@pytest.fixture(scope="module")
def made(port: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a node that holds what a terminal should never get to see, by whatever way it came there."""
    node = LocalNode(tmp_path_factory.mktemp("made") / "alpha")
    node.run("init", "--node", "alpha", "--listen", "127.0.0.1:0")
    (node.directory / "evil").write_text(f"BEGIN:VCALENDAR\n{EVIL}\n")
    secret = node.directory / "secret"
    node.run("peer", "add", "evil", "--address", f"127.0.0.1:{port}", "--new-secret", str(secret))
    store = open_store(node.directory, "alpha")
    for record in _records():
        store.write(lambda writer, one=record: writer.replace(one.collection, [(one, record_crc(one))], []))
    first = store.write(lambda writer: writer.put(Record(f"files/{ROOM}", "plan", 1, "x", 1, body=b"old")))
    for body in (b"lost" + EVIL.encode(), b"won" + EVIL.encode()):
        head = pack_head({"name": EVIL, "comment": EVIL})
        draft = Draft(f"files/{ROOM}", "plan", base_of(first), head=head, body=body)
        store.write(lambda writer, draft=draft: writer.write(draft))
    store.close()
    node.run("room", "delete", DEAD_ROOM, "--yes")
    return node.directory


@pytest.fixture
def evil(made: Path, tmp_path: Path) -> LocalNode:
    """A copy of it."""
    return LocalNode(shutil.copytree(made, tmp_path / "alpha"))


def _records() -> Iterator[Record]:
    def fields(**given: object) -> bytes:
        return pack_head({name: [value, STAMP, "a"] for name, value in given.items()})

    made = compose_post("alpha", EVIL, "x", EVIL, EVIL.encode(), 1_700_000_000)
    room = fields(QRname=EVIL, QRflags=ROOM_IN_USE)
    yield Record("rooms", ROOM, STAMP, "a", STAMP, head=room)
    yield Record("rooms", DEAD_ROOM, STAMP, "a", STAMP, head=room)
    yield Record("users", USER, STAMP, "a", STAMP, head=fields(u_fullname=EVIL, u_axlevel=4))
    yield Record(f"messages/{ROOM}", made.key, STAMP, "a", STAMP, body=made.body)
    yield Record(f"messages/{ROOM}", f"id:{EVIL}", STAMP, "a", STAMP, body=b"no message" + EVIL.encode())
    yield Record(f"files/{ROOM}", EVIL, STAMP, "a", STAMP, body=b"x", head=pack_head({"name": EVIL, "comment": EVIL}))
    yield Record(f"netconf/{ROOM}", "netconf", STAMP, "a", STAMP, body=f"share|evil\n{EVIL}\n".encode())


def called(words: tuple[str, ...], tmp_path: Path, node: LocalNode, port: int) -> list[str]:
    places = {
        "tmp": str(tmp_path),
        "port": str(port),
        "evil_file": str(node.directory / "evil"),
        "place": f"citadel://admin@127.0.0.1:{port}",
    }
    return [*words, *(one.format(**places) if "{" in one and "}" in one else one for one in WALK[words])]


@pytest.mark.parametrize("words", WALK, ids=" ".join)
@pytest.mark.parametrize("columns", ["60", "200", "json"])
def test_nothing_that_a_terminal_obeys_is_shown(
    words: tuple[str, ...], columns: str, evil: LocalNode, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITADEL_PASSWORD", "secret")
    arguments = called(words, tmp_path, evil, port)
    as_json = columns == "json"
    if as_json:
        if not any("--json" in option.opts for option in COMMANDS[words].params):
            return
        arguments.append("--json")
    else:
        monkeypatch.setattr(output, "_terminal_width", lambda: int(columns))
    result = evil.try_to(*arguments)
    assert result.exit_code in (0, 1, 3, 5, 8, 9, 10, 12), result.output
    assert "Traceback" not in result.output and "fault of this program" not in result.output
    shown = [*result.stdout.split("\n"), *result.stderr.split("\n")]
    assert [line for line in shown if one_line(line) != line] == []
    if words != ("netconf", "show"):  # its lines are the room's own
        assert not any(line.startswith("2026-01-01") for line in shown)
    if as_json:
        json.loads(result.stdout)


def test_what_looks_like_markup_is_shown_as_it_is(evil: LocalNode) -> None:
    for command in (("room", "list"), ("user", "list"), ("read", ROOM)):
        assert "f[/x][red]g" in evil.run(*command).stdout
