"""mirror.toml changed: peers and attachments come and go, and whatever else stands in it stays."""

from pathlib import Path

from mirror.addresses import Address, ServerPlace
from mirror.config.changing import remove_attachment, remove_peer, save_attachment, save_peer
from mirror.config.reading import load_config, template
from mirror.config.secrets import load_passwords, save_password
from mirror.config.settings import Attachment, Config, Peer


def written(directory: Path, text: str) -> Path:
    (directory / "mirror.toml").write_text(text)
    return directory


def test_peers_come_and_go_and_comments_stay(tmp_path: Path) -> None:
    text = template(Config(tmp_path, "m")).replace("plaintext = false", "plaintext = false  # never")
    written(tmp_path, text + "# my own words\n")
    first, second = Peer("a", Address("h", 1)), Peer("b", None, "system", "share", "yes")
    save_peer(tmp_path, first)
    save_peer(tmp_path, second)
    assert load_config(tmp_path).peers == [first, second]
    changed = Peer("a", None, "pin:" + "0" * 64)
    save_peer(tmp_path, changed)
    assert load_config(tmp_path).peers == [second, changed]
    assert remove_peer(tmp_path, "a") and remove_peer(tmp_path, "b") and not remove_peer(tmp_path, "b")
    left = (tmp_path / "mirror.toml").read_text()
    assert load_config(tmp_path) == Config(tmp_path, "m")
    for kept in ("plaintext = false  # never", "# my own words", "# Seconds between keepalives"):
        assert kept in left


def test_attachments_come_and_go_and_comments_stay(tmp_path: Path) -> None:
    written(tmp_path, template(Config(tmp_path, "m")) + "# my own words\n")
    first = Attachment("a", ServerPlace(Path("/run/citadel")))
    second = Attachment("b", ServerPlace(Address("::1", 504), "admin"), rooms=("x*",), export_s=60.0)
    save_attachment(tmp_path, first)
    save_attachment(tmp_path, second)
    save_peer(tmp_path, Peer("p"))
    assert load_config(tmp_path).attachments == [first, second]
    changed = Attachment("a", ServerPlace(Path("/run/other")))
    save_attachment(tmp_path, changed)
    save_password(tmp_path, "a", "pw")
    assert load_config(tmp_path).attachments == [second, changed]
    assert remove_attachment(tmp_path, "a") and not remove_attachment(tmp_path, "a")
    assert (load_config(tmp_path).attachments, load_passwords(tmp_path)) == ([second], {})
    assert remove_attachment(tmp_path, "b")
    assert load_config(tmp_path) == Config(tmp_path, "m", peers=[Peer("p")])
    assert "# my own words" in (tmp_path / "mirror.toml").read_text()
