"""secrets.toml: one kind of secret does not touch another, and nobody else reads them."""

from pathlib import Path

import pytest

from mirror.config.errors import ConfigError
from mirror.config.secrets import load_passwords, load_secrets, save_password, save_secret


def test_passwords_and_secrets_do_not_touch_each_other(tmp_path: Path) -> None:
    save_secret(tmp_path, "a", "correct horse")
    save_password(tmp_path, "a", 'pw with "quotes" and \\')
    save_secret(tmp_path, "b", "battery staple")
    assert load_secrets(tmp_path) == {"a": "correct horse", "b": "battery staple"}
    assert load_passwords(tmp_path) == {"a": 'pw with "quotes" and \\'}
    save_password(tmp_path, "a", None)
    assert (load_passwords(tmp_path), len(load_secrets(tmp_path))) == ({}, 2)
    assert (tmp_path / "secrets.toml").stat().st_mode & 0o777 == 0o600


def test_secrets_are_kept_by_peer(tmp_path: Path) -> None:
    assert load_secrets(tmp_path) == {}
    save_secret(tmp_path, "a", "correct horse")
    save_secret(tmp_path, "b", "battery staple")
    save_secret(tmp_path, "a", None)
    assert load_secrets(tmp_path) == {"b": "battery staple"}
    assert (tmp_path / "secrets.toml").stat().st_mode & 0o777 == 0o600
    for text in ("[peers]\na = 5\n", "peers = []\n"):
        (tmp_path / "secrets.toml").write_text(text)
        with pytest.raises(ConfigError, match=r'\[peers\] has one line NAME = "SECRET" per peer'):
            load_secrets(tmp_path)
    (tmp_path / "secrets.toml").chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_secrets(tmp_path)
