"""Setting a person's client up: asks, tries the log-in, shows what is there, writes client.toml."""

import shlex
from pathlib import Path
from typing import Any

import click

from mirror.addresses import DEFAULT_PORT, Address, read_address
from mirror.cli.client import client, print_rooms, rooms_with_counts
from mirror.cli.output import ask, json_option, print_json, say
from mirror.client.config import MAILDIR, VDIR, BadConfig, PairSettings, ServerSettings, data_home, written
from mirror.client.connection import TIMEOUT_S, TRUST_PLAIN, open_connection
from mirror.client.passwords import password_of
from mirror.owned import make_private
from mirror.peer.channel import Channel, NotTrusted, greeted

PASSWORD_FILE = "password"
MAIL = "mail"


@client.command("init")
@click.option("--server", "address", metavar="HOST[:PORT]", help="The node.")
@click.option("--user", help="Your name there.")
@click.option("--trust", help="How its certificate is proved: system, ca:FILE, pin:FINGERPRINT, or plain.")
@click.option("--password-command", metavar="COMMAND", help="A command whose first line is your password.")
@click.option("--password-keyring", metavar="SERVICE", help="The desktop's keyring has it, under this service.")
@click.option("--password-file", metavar="FILE", help="A file has it that only you may read (mode 0600).")
@click.option("--mail", metavar="DIRECTORY", help="Where mail goes, a Maildir; empty for nowhere.")
@click.option("--calendars", metavar="DIRECTORY", help="Where calendars and tasks go; empty for nowhere.")
@click.option("--contacts", metavar="DIRECTORY", help="Where address books go; empty for nowhere.")
@click.option("--notes", metavar="DIRECTORY", default="", help="Where notes go.  [default: nowhere]")
@click.option("--yes", is_flag=True, help="Ask nothing: what is not said is the default.")
@json_option
@click.pass_obj
def init(config_path: Path, /, yes: bool, as_json: bool, **said: str | None) -> None:
    """Set up: ask for the account and folders, try the log-in, show what is there, write client.toml."""
    if config_path.exists():
        raise BadConfig(f"{config_path} is there already: edit it, or move it away first")
    asks = not (yes or as_json)
    server = _server(said, asks)
    address = _address(server.address)
    server, made = _with_password(server, config_path.parent, asks, said)
    account = f"{server.user}@{address}"
    connection = open_connection(address, server.trust, server.user, lambda: made or password_of(server, account))
    try:
        rooms = rooms_with_counts(connection)
    finally:
        connection.close()
    pairs = _pairs(said, asks, rooms, as_json)
    config_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if made:
        make_private(Path(server.password_file).expanduser(), f"{made}\n".encode())
    make_private(config_path, written(server, pairs).encode())
    _tell(config_path, account, pairs, rooms, as_json)


def _server(said: dict[str, str | None], asks: bool) -> ServerSettings:
    address = said["address"] or _answer("The node's address (host or host:port)", None, asks, "--server")
    user = said["user"] or _answer("Your name there", None, asks, "--user")
    trust = said["trust"] or _trust(_address(address), asks)
    return ServerSettings(address, user, trust)


def _answer(question: str, default: str | None, asks: bool, option: str) -> str:
    if asks:
        return str(click.prompt(question, default=default, err=True))
    if default is None:
        raise click.UsageError(f"{option} is needed where nothing is asked")
    return default


def _address(text: str) -> Address:
    try:
        return read_address(text, DEFAULT_PORT)
    except ValueError as error:
        raise click.UsageError(f"--server: {error}") from None


def _trust(address: Address, asks: bool) -> str:
    """Return how the node's certificate is proved: by this machine's authorities, or as somebody says that it is it."""
    from mirror.peer.tls import secure, shown_by

    def begin(channel: Channel) -> None:
        if not address.loopback:
            secure(channel, "system", address.host)

    try:
        greeted(address.host, address.port, TIMEOUT_S, begin).close()
        return TRUST_PLAIN if address.loopback else "system"
    except NotTrusted as error:
        reason = str(error)
    pin = f"pin:{shown_by(address.host, address.port, TIMEOUT_S)}"
    if not asks:
        raise NotTrusted(f"{reason}; if 'ctdlmirror status' there shows {pin}, run this again with --trust {pin}")
    say(f"{reason}.  It shows {pin}.")
    ask("Does whoever runs the node say that this is it ('ctdlmirror status' shows it there)?", f"--trust {pin}")
    return pin


def _with_password(
    server: ServerSettings, directory: Path, asks: bool, said: dict[str, str | None]
) -> tuple[ServerSettings, str]:
    """Return the settings that say where the password is, and the password where it is yet to be put there."""
    values = {
        "password_command": shlex.split(said["password_command"] or ""),
        "password_keyring": said["password_keyring"] or "",
        "password_file": said["password_file"] or "",
    }
    made = ""
    if not any(values.values()):
        if not asks:
            raise click.UsageError(
                "one of --password-command, --password-keyring and --password-file is needed where nothing is asked"
            )
        say(f"Your password is kept in {directory / PASSWORD_FILE}, which only you may read; --password-command or")
        say("--password-keyring take it from elsewhere.")
        made = str(click.prompt(f"Password of {server.user}", hide_input=True, err=True))
        values["password_file"] = str(directory / PASSWORD_FILE)
    return ServerSettings(server.address, server.user, server.trust, **values), made  # type: ignore[arg-type]


_FOLDERS: dict[str, tuple[str, list[Any]]] = {
    MAIL: ("Mail, as a Maildir", ["mail"]),
    "calendars": ("Calendars and tasks", ["calendar", "tasks", "journal"]),
    "contacts": ("Address books", ["contacts"]),
    "notes": ("Notes", ["notes"]),
}


def _pairs(
    said: dict[str, str | None], asks: bool, rooms: list[dict[str, Any]], as_json: bool
) -> dict[str, PairSettings]:
    if not as_json and rooms:
        say(f"{len(rooms)} rooms are open to you:")
        print_rooms(rooms)
    pairs = {}
    for name, (what, views) in _FOLDERS.items():
        default = {"notes": "", MAIL: str(Path.home() / "Mail")}.get(name, str(data_home() / name))
        path = said[name]
        if path is None:
            path = _answer(f"{what}: directory", default, asks, f"--{name}")
        if path:
            pairs[name] = PairSettings(str(path), list(views), ["*"], MAILDIR if name == MAIL else VDIR)
    if not pairs:
        raise click.UsageError("no directory was named, so there is nothing to keep equal")
    return pairs


def _tell(
    config_path: Path, account: str, pairs: dict[str, PairSettings], rooms: list[dict[str, Any]], as_json: bool
) -> None:
    if as_json:
        paths = {name: pair.path for name, pair in pairs.items()}
        print_json({"config": str(config_path), "account": account, "pairs": paths, "rooms": rooms})
        return
    say(f"{config_path} is written.  'ctdlmirror client sync' keeps the folders equal.")
