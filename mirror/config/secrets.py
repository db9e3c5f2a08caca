"""secrets.toml: what is shared with peers, until when invitations are good, passwords at attached places.

Each kind of them is read and changed without touching the others.  Knows no setting but whom a secret is for.
"""

from pathlib import Path

import msgspec

from mirror.config.errors import ConfigError
from mirror.config.files import SECRETS_FILE, check_private, read_toml, write_private
from mirror.config.settings import Config

MIN_SECRET = 12
"""Characters in a secret at least."""
PEER_SECRETS, PLACE_PASSWORDS, INVITATIONS = "peers", "places", "invitations"
"""The sections of secrets.toml."""
_SECRETS = {
    PEER_SECRETS: ("SECRET", "peer"),
    PLACE_PASSWORDS: ("PASSWORD", "attachment"),
    INVITATIONS: ("UNTIL", "peer"),
}


def load_secrets(directory: Path) -> dict[str, str]:
    """Return the secrets shared with peers, by peer name.  Raises ConfigError."""
    return _load_secrets(directory, PEER_SECRETS)


def load_passwords(directory: Path) -> dict[str, str]:
    """Return the passwords of those who log in at attached places, by attachment.  Raises ConfigError."""
    return _load_secrets(directory, PLACE_PASSWORDS)


def load_invitations(directory: Path) -> dict[str, int]:
    """Return until when (Unix seconds) the secrets of invited peers are good that have not joined yet.

    Raises ConfigError.
    """
    return {
        name: int(until) if until.isdecimal() else 0 for name, until in _load_secrets(directory, INVITATIONS).items()
    }


def _load_secrets(directory: Path, section: str) -> dict[str, str]:
    path = directory / SECRETS_FILE
    if not path.exists():
        return {}
    check_private(path)
    try:
        return msgspec.convert(read_toml(path, "").get(section, {}), dict[str, str])
    except msgspec.ValidationError:
        value, owner = _SECRETS[section]
        raise ConfigError(f'{path}: [{section}] has one line NAME = "{value}" per {owner}') from None


def save_secret(directory: Path, peer: str, secret: str | None) -> None:
    """Set, or with None remove, the secret shared with a peer."""
    _save_secret(directory, PEER_SECRETS, peer, secret)


def save_invitation(directory: Path, peer: str, secret: str, until: int) -> None:
    """Set a secret that is good until a moment (Unix seconds), unless the peer joins before."""
    _save_secret(directory, INVITATIONS, peer, str(until))  # first: whatever fails then, it is good for no longer
    save_secret(directory, peer, secret)


def drop_invitation(directory: Path, peer: str) -> None:
    """Have the secret of a peer be good for ever."""
    _save_secret(directory, INVITATIONS, peer, None)


def save_password(directory: Path, attachment: str, password: str | None) -> None:
    """Set, or with None remove, the password with which an attachment logs in."""
    _save_secret(directory, PLACE_PASSWORDS, attachment, password)


def _save_secret(directory: Path, section: str, name: str, secret: str | None) -> None:
    import tomlkit

    held = {one: _load_secrets(directory, one) for one in _SECRETS}
    if held[section].get(name) == secret:
        return
    if secret is None:
        held[section].pop(name, None)
    else:
        held[section][name] = secret
    document = tomlkit.document()
    document.add(tomlkit.comment('NAME = "SECRET": those shared with peers, and passwords at attached places.'))
    document.add(tomlkit.comment("For the owner's eyes only."))
    for one, secrets in held.items():
        if secrets or one == PEER_SECRETS:
            document.add(one, tomlkit.item(secrets))
    write_private(directory / SECRETS_FILE, tomlkit.dumps(document))


def orphans(config: Config, secrets: dict[str, str]) -> list[str]:
    """Return for whom there is a secret, but no table: they cannot log in."""
    return sorted(secrets.keys() - {peer.name for peer in config.peers})
