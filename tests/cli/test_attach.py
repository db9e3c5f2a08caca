"""Attaching a Citadel server by command: what is tried, kept, refused and told, where no daemon runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from local import LocalNode
from made_administered import AdministeredServer
from made_live import LiveServer, listening
from made_writable import SERVICE

from mirror.config.files import CONFIG_FILE
from mirror.config.reading import load_config, template
from mirror.config.secrets import load_passwords
from mirror.config.settings import Config
from mirror.store.open import open_store
from mirror.sync.claims import claim


@pytest.fixture
def node(tmp_path: Path) -> LocalNode:
    """A node that holds nothing."""
    directory = tmp_path / "main"
    directory.mkdir()
    (directory / CONFIG_FILE).write_text(template(Config(directory, "main")))
    open_store(directory, "main").close()
    return LocalNode(directory)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    """A made-up server with a room of three messages, by its administrator's socket."""
    server = LiveServer()
    server.user(1, "admin")
    server.room(1, "Lobby")
    for text in ("one", "two", "three"):
        server.post(1, text)
    directory = tmp_path / "citadel"
    directory.mkdir()
    with listening(server, directory):
        yield f"citadel://{directory}"


def test_what_is_attached_is_in_the_configuration_claimed_and_told(node: LocalNode, place: str) -> None:
    result = node.run("attach", place, "--rooms", "Lobby", "--rooms", "board*")
    assert f"{place} is attached as alpha" in result.stdout
    assert "NOT SEEN BY THIS DOOR: files of rooms whose directory is not visible" in result.stdout
    assert "'ctdlmirror daemon' follows it." in result.stdout
    (one,) = load_config(node.directory).attachments
    assert (one.name, str(one.place), one.rooms) == ("alpha", place, ("Lobby", "board*"))
    assert not (node.directory / "secrets.toml").exists()
    (told,) = node.json("attach", "list")["attachments"]
    assert (told["name"], told["phase"], told["rooms"]) == ("alpha", "not running", ["Lobby", "board*"])
    assert node.json("attach", "show", "alpha") == told
    assert f"alpha: {place}\n  not running\n" in node.run("attach", "show", "alpha").stdout
    assert [one["name"] for one in node.json("status")["attachments"]] == ["alpha"]
    node.run("attach", place, "--expiry", "keep")
    node.run("attach", place, "--name", "alpha")
    (one,) = load_config(node.directory).attachments
    assert (one.rooms, one.expiry) == (("Lobby", "board*"), "keep")
    assert "what the server throws away stays here" in node.run("attach", "show", "alpha").stdout
    node.run("attach", place, "--rooms", "*")
    assert load_config(node.directory).attachments[0].rooms == ("*",)


def test_settings_are_shared_by_a_server_that_is_written_into(node: LocalNode, place: str, tmp_path: Path) -> None:
    assert (
        "settings 'shared' needs direction 'both'" in node.run("attach", place, "--settings", "shared", code=3).stderr
    )
    password = tmp_path / "password"
    password.write_text("pw\n")
    password.chmod(0o600)
    both = ("--direction", "both", "--service", "admin", "--password-file", str(password))
    node.run("attach", place, "--settings", "shared", *both)
    assert load_config(node.directory).attachments[0].settings == "shared"
    node.run("attach", place, "--settings", "own")
    assert load_config(node.directory).attachments[0].settings == "own"


def test_a_dry_run_tells_what_would_come_and_leaves_nothing_behind(node: LocalNode, place: str) -> None:
    before = node.json("status")["sequence"]
    result = node.run("attach", "--dry-run", place)
    assert "Server alpha: 3 messages, 1 users, 1 rooms" in result.stdout
    assert "Nothing was written, and nothing is attached." in result.stdout
    told = node.json("attach", place, "--dry-run", "--rooms", "nothing like it")
    assert (told["server"], told["elements"]["room"], told["deleted"], told["held"]) == ("alpha", 1, 0, [])
    assert told["written"] < node.json("attach", place, "--dry-run")["written"]
    assert node.json("status")["sequence"] == before
    assert load_config(node.directory).attachments == []
    assert node.json("attach", "list") == {"attachments": [], "elsewhere": []}


def test_what_another_node_follows_is_refused_until_it_is_taken_over(node: LocalNode, place: str) -> None:
    store = open_store(node.directory, "main")
    store.write(lambda writer: claim(writer, "citadel:alpha", "other", "x", "citadel:///x"))
    store.close()
    result = node.run("attach", place, code=8)
    assert "citadel:alpha is attached to node other as x since " in result.stderr
    assert load_config(node.directory).attachments == []
    (elsewhere,) = node.json("attach", "list")["elsewhere"]
    assert (elsewhere["node"], elsewhere["door"]) == ("other", "citadel:///x")
    node.run("attach", place, "--take-over")
    assert node.json("attach", "list")["elsewhere"] == []


def test_a_server_is_attached_once_and_a_name_is_of_one_server(node: LocalNode, place: str, tmp_path: Path) -> None:
    node.run("attach", place)
    assert "is attached as alpha already" in node.run("attach", place, "--name", "again", code=3).stderr
    (tmp_path / "other").symlink_to(tmp_path / "citadel")
    other = f"citadel://{tmp_path / 'other'}"
    assert f"alpha is {place}: give another --name" in node.run("attach", other, code=3).stderr
    assert "attached to node main as alpha since" in node.run("attach", other, "--name", "again", code=8).stderr


def test_what_is_removed_is_free_again(node: LocalNode, place: str) -> None:
    node.run("attach", place)
    assert "alpha is attached no more" in node.run("attach", "remove", "alpha").stdout
    assert load_config(node.directory).attachments == []
    node.run("attach", place, "--name", "again")
    assert node.json("attach", "remove", "again") == {"name": "again", "freed": True}
    assert "there is no attachment alpha" in node.run("attach", "remove", "alpha", code=3).stderr


def test_pausing_is_kept_and_nothing_is_decided_where_nobody_follows(node: LocalNode, place: str) -> None:
    node.run("attach", place)
    assert node.json("attach", "pause", "alpha")["phase"] == "paused"
    assert node.json("attach", "show", "alpha")["paused"]
    assert node.json("attach", "resume", "alpha")["phase"] == "not running"
    node.run("attach", "pause", "alpha")
    node.run("attach", "remove", "alpha")
    assert not node.json("attach", place)["paused"]
    for action in ("approve", "refuse"):
        assert "alpha is not followed now" in node.run("attach", action, "alpha", code=8).stderr
        assert "there is no attachment beta" in node.run("attach", action, "beta", code=3).stderr
    assert "alpha is not followed now" in node.run("attach", "pair", "alpha", "users", "2", "beta:7", code=8).stderr
    assert "there is no attachment beta" in node.run("attach", "pair", "beta", "users", "2", "beta:7", code=3).stderr


@pytest.mark.parametrize(
    ("place", "code", "error"),
    [
        ("nonsense", 3, "'nonsense' is no citadel://ADMIN@HOST:PORT or citadel:///DIRECTORY"),
        ("citadel://admin:pw@h", 3, "a password in a URL is seen by others"),
        ("citadel://admin@192.0.2.1", 3, "would carry the password in clear to 192.0.2.1"),
        ("citadel://admin@127.0.0.1:1", 3, "no password: give --password-file FILE or set CITADEL_PASSWORD"),
        ("citadel:///nowhere", 6, "/nowhere/citadel-admin.socket cannot be reached"),
    ],
)
def test_what_cannot_be_attached_is_refused_in_one_line(node: LocalNode, place: str, code: int, error: str) -> None:
    result = node.run("attach", place, code=code)
    assert error in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert load_config(node.directory).attachments == []


def test_a_password_is_kept_apart_and_asked_for_once(node: LocalNode, place: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("tr0ub4dor\n")
    file.chmod(0o600)
    door = place.replace("citadel://", "citadel://admin@")
    result = node.run("attach", door, "--password-file", str(file))
    assert load_passwords(node.directory) == {"alpha": "tr0ub4dor"}
    assert (node.directory / "secrets.toml").stat().st_mode & 0o777 == 0o600
    node.run("attach", door)
    assert "tr0ub4dor" not in result.stdout + (node.directory / CONFIG_FILE).read_text()
    node.run("attach", "remove", "alpha")
    assert load_passwords(node.directory) == {}


def test_a_pairing_is_shown_by_a_dry_run_and_kept_to_be_approved(node: LocalNode, place: str, tmp_path: Path) -> None:
    store = open_store(node.directory, "main")

    def job(writer) -> None:
        writer.set_fields("rooms", "beta:7", {"QRname": "Lobby", "QRflags": "2"})
        writer.set_fields("users", "beta:1", {"u_fullname": "Admin", "u_axlevel": "6", "u_usernum": "1"})

    store.write(job)
    store.close()
    before = node.json("status")["sequence"]
    result = node.run("attach", place, "--dry-run", "--pair")
    assert "One with what is here" in result.stdout
    assert "Stays two" in result.stdout
    assert "Comes here: 1 users, 0 rooms, 1 floors. Only here: 1 users, 0 rooms, 0 floors." in result.stdout
    for line in ("comes here: users admin", "comes here: floors Main Floor", "only here: users Admin"):
        assert f"    {line}\n" in result.stdout
    assert "with --settings shared those that are here stand" in result.stdout
    assert "whatever is otherwise there" not in result.stdout
    file = tmp_path / "password"
    file.write_text("pw\n")
    file.chmod(0o600)
    both = ("--direction", "both", "--service", "admin", "--password-file", str(file))
    assert "whatever is otherwise there" in node.run("attach", place, "--dry-run", "--pair", *both).stdout
    told = node.json("attach", place, "--dry-run", "--pair-users", "adm*")["pairing"]
    assert [(one["kind"], one["there"], one["key"]) for one in told["pairs"]] == [
        ("users", "admin", "beta:1"), ("rooms", "Lobby", "beta:7"),
    ]  # fmt: skip
    assert told["alike"] == []
    assert node.json("status")["sequence"] == before
    assert "nothing comes before 'ctdlmirror attach approve alpha'" in node.run("attach", place, "--pair").stdout
    (one,) = load_config(node.directory).attachments
    assert (one.pair, one.pair_users, one.pair_rooms) == (True, (), ())
    node.run("attach", place, "--pair-rooms", "T*")
    assert load_config(node.directory).attachments[0].pair_rooms == ("T*",)
    assert "citadel:///DIRECTORY" in node.run("attach", "citadel://admin@" + place[10:], "--pair", code=3).stderr


def test_a_server_is_written_into_only_with_somebody_to_do_it(node: LocalNode, place: str, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("pw\n")
    password.chmod(0o600)
    assert "direction 'both' needs service" in node.run("attach", place, "--direction", "both", code=3).stderr
    node.run("attach", place, "--direction", "both", "--service", "admin", "--password-file", str(password))
    (one,) = load_config(node.directory).attachments
    assert (one.direction, one.service, load_passwords(node.directory)) == ("both", "admin", {"alpha": "pw"})
    refused = node.run("attach", place, "--expiry", "keep", code=3)
    assert "direction 'both' needs expiry 'follow'" in refused.stderr
    node.run("attach", place, "--direction", "from")
    assert load_config(node.directory).attachments[0].direction == "from"


def test_who_is_to_write_logs_in_before_anything_is_kept(
    node: LocalNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = AdministeredServer()
    server.user(1, "Ann")
    server.user(SERVICE, "mirror", u_password="right")
    home = tmp_path / "citadel"
    home.mkdir()
    both = ("attach", f"citadel://{home}", "--direction", "both", "--service")
    with listening(server, home):
        monkeypatch.setenv("CITADEL_PASSWORD", "wrong")
        for service, error in (("nobody", "not found"), ("mirror", "wrong password")):
            assert error in node.run(*both, service, code=7).stderr
        monkeypatch.setenv("CITADEL_PASSWORD", "pw")
        assert "'Ann' is no administrator" in node.run(*both, "Ann", code=7).stderr
        assert load_config(node.directory).attachments == []
        assert not (node.directory / "secrets.toml").exists()
        node.run(*both, "mirror")
        monkeypatch.setenv("CITADEL_PASSWORD", "right")
        node.run(*both, "mirror")
        assert load_passwords(node.directory) == {"alpha": "right"}
        monkeypatch.delenv("CITADEL_PASSWORD")
        node.run(*both, "mirror")
        assert "no password" in node.run(*both, "Ann", code=3).stderr
        assert load_passwords(node.directory) == {"alpha": "right"}
