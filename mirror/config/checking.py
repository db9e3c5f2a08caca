"""Whether what somebody gives for a setting can be one, in a file or on a command line; a wrong one is told in a line.

Reads no file.
"""

from pathlib import Path

from mirror.addresses import Address, ServerPlace, read_address, read_server_place
from mirror.config.errors import ConfigError
from mirror.config.settings import Attachment, NodeName, Trust
from mirror.declared import BadSetting, read_value


def parse_address(text: str, where: str) -> Address:
    """Read ``host:port``, ``[v6]:port`` or ``host``.  Raises ConfigError naming ``where``."""
    try:
        return read_address(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def parse_server_place(text: str) -> ServerPlace:
    """Read what names a Citadel server and a door of it.  Raises ConfigError, which never shows a password."""
    try:
        return read_server_place(text)
    except ValueError as error:
        hint = ": use --password-file, $CITADEL_PASSWORD or the prompt" if "password" in str(error) else ""
        raise ConfigError(f"{error}{hint}") from None


def made(kind: type, value: object) -> object:
    """Make an address or a place from its text; all other types are msgspec's own."""
    if kind is ServerPlace and isinstance(value, str):
        return read_server_place(value)
    if kind is Address and isinstance(value, str):
        return read_address(value)
    raise ValueError(f"{value!r} is no {kind.__name__}")


def check_node_name(name: str) -> str:
    """Return a node name that can be one.  Raises ConfigError."""
    try:
        return str(read_value(name, NodeName, "", made))
    except BadSetting:
        raise ConfigError(
            f"{name!r} is no node name: lower-case letters, digits, '.', '-' and '_', at most 63"
        ) from None


def check_trust(trust: str, where: str) -> None:
    """Raise ConfigError unless ``trust`` says how a certificate is proved."""
    try:
        read_value(trust, Trust, f"{where}: trust", made)
    except BadSetting as error:
        raise ConfigError(str(error)) from None


def why_not_both(one: Attachment) -> str:
    """Return why a server cannot be written into as it is attached; nothing where it can, or is not to be."""
    if one.direction == "from":
        return "settings 'shared' needs direction 'both'" if one.settings == "shared" else ""
    if not one.service:
        return "direction 'both' needs service, the administrator there as whom messages are written"
    if isinstance(one.place.where, Address) or one.place.user:
        return "direction 'both' needs citadel:///DIRECTORY, the administrator's socket without a log-in"
    if one.expiry != "follow":
        return "direction 'both' needs expiry 'follow': what the server threw away would be written there again"
    return ""


def authority_file(trust: str) -> Path | None:
    """Return the file of the authorities by which a certificate is proved, None where ``trust`` names none."""
    return Path(trust.removeprefix("ca:")) if trust.startswith("ca:") else None
