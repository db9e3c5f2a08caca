"""Lines of a room that are changed from under one's hands are not overwritten, and what was edited is not lost."""

import re
from pathlib import Path

import click
import pytest
from local import LocalNode

from mirror.cli.share import EditedMeanwhile, Lines
from mirror.config.changing import save_peer
from mirror.config.settings import Peer
from mirror.model.fields import values_of

MINE, YOURS = b"mirror_share|mine\n", b"mirror_share|yours\n"


@pytest.mark.parametrize("before", [b"", b"mirror_share|before\n"])
def test_lines_are_written_only_over_those_that_were_read(node: LocalNode, before: bytes) -> None:
    with node.ask() as remote:
        if before:
            Lines(remote, "Lobby").write(before)
        one, other = Lines(remote, "Lobby"), Lines(remote, "Lobby")
        one.write(YOURS)
        with pytest.raises(EditedMeanwhile, match=r"the lines of Lobby were changed meanwhile at alpha, \d{4}-"):
            other.write(MINE)
        assert Lines(remote, "Lobby").body == YOURS
        Lines(remote, "Lobby").write(MINE)
        assert Lines(remote, "Lobby").body == MINE


def test_lines_that_were_taken_away_meanwhile_are_not_written_again(node: LocalNode) -> None:
    with node.ask() as remote:
        Lines(remote, "Lobby").write(YOURS)
        lines = Lines(remote, "Lobby")
        Lines(remote, "Lobby").write(b"")
        with pytest.raises(EditedMeanwhile):
            lines.write(MINE)


def test_what_was_edited_is_kept_where_somebody_else_was_faster(
    node: LocalNode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    read = Lines.preview

    def be_late(lines: Lines, body: bytes) -> object:
        monkeypatch.setattr(Lines, "preview", read)
        Lines(lines._remote, lines.name).write(YOURS)
        return lines.preview(body)

    monkeypatch.setattr(Lines, "preview", be_late)
    monkeypatch.setattr(click, "edit", lambda *_arguments, **_options: MINE.decode())
    refused = node.run("netconf", "edit", "Lobby", code=8)
    kept = re.search(r"netconf import ROOM (\S+)'", refused.stderr)
    assert kept is not None and Path(kept[1]).read_bytes() == MINE
    assert refused.stderr.splitlines()[-1].startswith("ctdlmirror: the lines of Lobby were changed meanwhile")
    assert node.run("netconf", "show", "Lobby").stdout == YOURS.decode()


def test_a_room_is_shared_over_the_lines_it_has(node: LocalNode) -> None:
    save_peer(node.directory, Peer("beta", kind="share"))
    for what in ("messages", "messages,deletions"):
        assert "In force" in node.run("room", "share", "Lobby", "beta", "--what", what).stdout
    assert node.run("netconf", "show", "Lobby").stdout.count("beta") == 1
    with node.ask() as remote:
        (room,) = [one for page in remote.get("rooms", [Lines(remote, "Lobby").key]) for one in page.records]
    assert values_of(room)["QRname"] == "Lobby"
