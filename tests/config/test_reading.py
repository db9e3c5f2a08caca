"""mirror.toml: what may stand in it, and that what may not is named in one line."""

import re
import tomllib
from pathlib import Path

import pytest

from mirror.addresses import Address, ServerPlace
from mirror.config.checking import parse_address
from mirror.config.errors import ConfigError
from mirror.config.reading import load_config, template
from mirror.config.settings import Attachment, Config, ListenSettings, Peer
from mirror.declared import WIDTH

MINIMAL = '[node]\nname = "m"\n'


def written(directory: Path, text: str) -> Path:
    (directory / "mirror.toml").write_text(text)
    return directory


def test_the_template_is_read_as_the_settings_it_was_written_for(tmp_path: Path) -> None:
    config = Config(tmp_path, "alpha", ListenSettings([Address("127.0.0.1", 2504), Address("::1", 0)]))
    assert load_config(written(tmp_path, template(config))) == config


def test_the_template_names_every_setting_and_says_what_it_is_for() -> None:
    text = template(Config(Path("x"), "alpha"))
    assert max(map(len, text.splitlines())) <= WIDTH + 2
    assert set(tomllib.loads(text)) == {"node", "listen", "store", "replication", "log"}
    sections = [block for block in text.split("\n\n") if block.startswith("[")]
    for section in sections:
        assert section.splitlines()[1].startswith("# "), section
    examples = re.sub("^# (?!One)", "", text[text.index("# [[peer]]") :], flags=re.MULTILINE)
    read = tomllib.loads(examples.replace("pin:...", "system"))
    assert set(read["peer"][0]) == set(Peer.__struct_fields__)
    assert set(read["attach"][0]) == set(Attachment.__struct_fields__)


def test_the_examples_of_the_template_are_the_defaults(tmp_path: Path) -> None:
    examples = template(Config(tmp_path, "m")).partition("# [[attach]]")[2]
    config = load_config(written(tmp_path, MINIMAL + "[[attach]]" + re.sub("^# ", "", examples, flags=re.MULTILINE)))
    assert config.attachments == [Attachment("alpha", ServerPlace(Path("/run/citadel")))]


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, MINIMAL))
    assert config == Config(tmp_path, "m")
    assert (config.store.url, config.listen.max_sessions, config.log.level) == ("sqlite:", 1000, "info")
    assert config.max_ahead_ms == 60_000


def test_everything_can_be_set(tmp_path: Path) -> None:
    text = """
[node]
name = "m-1.example_x"
[listen]
addresses = ["h:1", "[::1]:2", "only-host"]
tls_addresses = ["h:3"]
plaintext = true
max_sessions = 5
[store]
url = "sqlite:"
[replication]
retry_min_s = 2
retry_max_s = 0.5
[log]
level = "error"
[[peer]]
name = "a"
[[peer]]
name = "b"
address = "b.example.org"
trust = "ca:/x y.pem"
kind = "share"
push = "no"
[[peer]]
name = "c"
address = ""
[[attach]]
name = "s"
place = "citadel://Try%20Me@h"
direction = "from"
rooms = ["Lobby", "board*"]
look_s = 0.5
idle_look_s = 6
users_s = 7
sweep_s = 8
export_s = 9
"""
    config = load_config(written(tmp_path, text))
    assert config.listen.addresses == [Address("h", 1), Address("::1", 2), Address("only-host", 2504)]
    assert (config.replication.retry_min_s, config.replication.retry_max_s) == (2.0, 0.5)
    assert isinstance(config.replication.retry_min_s, float)
    assert config.peers == [
        Peer("a"), Peer("b", Address("b.example.org", 2504), "ca:/x y.pem", "share", "no"), Peer("c"),
    ]  # fmt: skip
    door = ServerPlace(Address("h", 504), "Try Me")
    assert config.attachments == [Attachment("s", door, "from", ("Lobby", "board*"), 0.5, 6.0, 7.0, 8.0, 9.0)]
    assert (config.attachment("s"), config.attachment("t")) == (config.attachments[0], None)
    assert config.peer("b") is config.peers[1]
    assert config.peer("z") is None


A_COUNT = "a whole number greater than 0 was expected"
A_NUMBER = "a number greater than 0 was expected"


@pytest.mark.parametrize(
    ("section", "line", "error"),
    [
        ("log", "levle = 1", "levle is no setting; known are level"),
        ("log", "level = 'loud'", "level = 'loud': debug, info, warning or error was expected"),
        ("log", f"level = '{'x' * 500}'", f"level = '{'x' * 79}...: debug, info, warning or error was expected"),
        ("listen", "max_sessions = '5'", f"max_sessions = '5': {A_COUNT}"),
        ("listen", "max_sessions = 0", f"max_sessions = 0: {A_COUNT}"),
        ("listen", "max_sessions = -5", f"max_sessions = -5: {A_COUNT}"),
        ("listen", "max_sessions = 1.5", f"max_sessions = 1.5: {A_COUNT}"),
        ("listen", "max_sessions = true", f"max_sessions = True: {A_COUNT}"),
        ("listen", f"max_sessions = {10**30}", f"max_sessions = {10**30}: {A_COUNT}"),
        ("listen", "plaintext = 1", "plaintext = 1: true or false was expected"),
        ("listen", "addresses = 'h:1'", "addresses = 'h:1': a list of \"host:port\" was expected"),
        ("listen", "addresses = ['h:99999']", "addresses = ['h:99999']: a list of \"host:port\" was expected"),
        ("listen", "addresses = [5]", 'addresses = [5]: a list of "host:port" was expected'),
        ("replication", "retry_min_s = -0.5", f"retry_min_s = -0.5: {A_NUMBER}"),
        ("replication", "retry_min_s = nan", f"retry_min_s = nan: {A_NUMBER}"),
        ("replication", "retry_min_s = false", f"retry_min_s = False: {A_NUMBER}"),
        ("store", "url = 7", "url = 7: a text was expected"),
    ],
)
def test_what_a_setting_cannot_be_is_named_in_one_line(tmp_path: Path, section: str, line: str, error: str) -> None:
    written(tmp_path, f"{MINIMAL}[{section}]\n{line}\n")
    assert refused(tmp_path) == f"[{section}] {error}"


def refused(directory: Path) -> str:
    """Return why the configuration is not taken, without the file's name, which stands before it."""
    with pytest.raises(ConfigError) as caught:
        load_config(directory)
    file, _, error = str(caught.value).partition(": ")
    assert file == str(directory / "mirror.toml")
    assert "\n" not in error
    return error


A_NAME = "a name of lower-case letters, digits, '.', '-' and '_', at most 63, was expected"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", f"[node] name is missing: {A_NAME}"),
        ("[node]\nname = 'M'", f"[node] name = 'M': {A_NAME}"),
        ('[node]\nname = "m\\n"', f"[node] name = 'm\\n': {A_NAME}"),
        ("node = 3", "[node]: 3 is there, a table of settings was expected"),
        (
            MINIMAL + "[nonsense]",
            "[nonsense] is no section; known are listen, log, node, replication, store, [[peer]] and [[attach]]",
        ),
        (
            MINIMAL + '["x\\ny"]',
            "['x\\ny'] is no section; known are listen, log, node, replication, store, [[peer]] and [[attach]]",
        ),
        ("x = " + "[" * 5000, "it is nested too deeply"),
        ("x =", "Invalid value (at end of document)"),
    ],
    ids=["empty", "name", "newline", "no table", "section", "odd section", "deep", "syntax"],
)
def test_what_the_file_cannot_be_is_named_in_one_line(tmp_path: Path, text: str, error: str) -> None:
    written(tmp_path, text)
    assert refused(tmp_path) == error


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "mirror.toml").write_bytes(b"x = '\xff'")
    assert "can't decode byte 0xff" in refused(tmp_path)


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ("push = 'no'", f"(without name): name is missing: {A_NAME}"),
        ('name = "x\\ny"', f"'x\\ny': name = 'x\\ny': {A_NAME}"),
        ("name = 'A'", f"A: name = 'A': {A_NAME}"),
        ("name = 'a'\nport = 5", "a: port is no setting; known are address, kind, name, push, trust"),
        ("name = 'a'\n[[peer]]\nname = 'a'", "a: there are two peers of that name"),
        ("name = 'a'\nkind = 'x'", "a: kind = 'x': mirror or share was expected"),
        ("name = 'a'\npush = true", "a: push = True: auto, yes or no was expected"),
        ("name = 'a'\naddress = ':'", "a: address = ':': an address \"host:port\" was expected"),
        (
            "name = 'a'\ntrust = 'pin:00'",
            "a: trust = 'pin:00': 'system', 'ca:FILE' or 'pin:' and 64 hex digits was expected",
        ),
    ],
)
def test_what_a_peer_cannot_be_is_named_with_the_peer(tmp_path: Path, lines: str, error: str) -> None:
    written(tmp_path, f"{MINIMAL}[[peer]]\n{lines}\n")
    assert refused(tmp_path) == f"[[peer]] {error}"


A_PLACE = "citadel://ADMIN@HOST:PORT or citadel:///DIRECTORY was expected"


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ("place = 'citadel:///x'", f"(without name): name is missing: {A_NAME}"),
        ("name = 'a'", f"a: place is missing: {A_PLACE}"),
        ("name = 'a'\nplace = 'mirror://h'", f"a: place = 'mirror://h': {A_PLACE}"),
        ("name = 'a'\nplace = 'citadel://u:pw@h'", "a: place has a password in it: it belongs into secrets.toml, "
         "under [places]"),
        ("name = 'a'\nplace = 'citadel:///x'\ndirection = 'to'", "a: direction = 'to': 'from' (the server's changes "
         "come here) or 'both' (messages from elsewhere go there, too) was expected"),
        ("name = 'a'\nplace = 'citadel:///x'\ndirection = 'both'", "a: direction 'both' needs service, the "
         "administrator there as whom messages are written"),
        ("name = 'a'\nplace = 'citadel://u@h'\ndirection = 'both'\nservice = 'm'", "a: direction 'both' needs "
         "citadel:///DIRECTORY, the administrator's socket without a log-in"),
        ("name = 'a'\nplace = 'citadel:///x'\ndirection = 'both'\nservice = 'm'\nexpiry = 'keep'", "a: direction "
         "'both' needs expiry 'follow': what the server threw away would be written there again"),
        ("name = 'a'\nplace = 'citadel:///x'\nrooms = []",
         "a: rooms = []: a list of patterns of room names was expected"),
        ("name = 'a'\nplace = 'citadel:///x'\nlook_s = 0", f"a: look_s = 0: {A_NUMBER}"),
        ("name = 'a'\nplace = 'citadel:///x'\n[[attach]]\nname = 'a'\nplace = 'citadel:///y'",
         "a: there are two attachments of that name"),
        ("name = 'a'\nplace = 'citadel:///x'\n[[attach]]\nname = 'b'\nplace = 'citadel:///x'",
         "b: citadel:///x is attached already"),
    ],
)  # fmt: skip
def test_what_an_attachment_cannot_be_is_named_with_it(tmp_path: Path, lines: str, error: str) -> None:
    written(tmp_path, f"{MINIMAL}[[attach]]\n{lines}\n")
    assert refused(tmp_path) == f"[[attach]] {error}"


def test_an_attachment_is_written_with_two_brackets(tmp_path: Path) -> None:
    written(tmp_path, MINIMAL + "[attach]\nname = 'a'")
    assert refused(tmp_path) == "an attachment is written [[attach]], with two brackets"


@pytest.mark.parametrize("text", [MINIMAL + "[peer]\nname = 'a'", "peer = [1]\n" + MINIMAL])
def test_a_peer_is_written_with_two_brackets(tmp_path: Path, text: str) -> None:
    written(tmp_path, text)
    assert refused(tmp_path) == "a peer is written [[peer]], with two brackets"


def test_a_missing_file_is_told_with_advice(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist: run 'ctdlmirror init' first"):
        load_config(tmp_path)


def test_an_address_is_read_from_an_option(tmp_path: Path) -> None:
    assert parse_address(" h:1 ", "--listen") == Address("h", 1)
    assert str(parse_address("[::1]", "--listen")) == "[::1]:2504"
    with pytest.raises(ConfigError, match=r"--listen: 'h:x' is no address \(host:port\)"):
        parse_address("h:x", "--listen")
