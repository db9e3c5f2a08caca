"""The trial of the way back, as far as it can be shown without a server: what it compares and what it says."""

import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[2] / "contrib"))

from try_live import commands
from try_live.commands import cli
from try_live.disasters import COUNTED, Told, made_up, otherwise
from try_live.disasters import Sizes as DisasterSizes
from try_live.rebuilding import Rebuilt
from try_live.whole_exports import DECLARED, Difference, differences, read_file, undeclared

from mirror.citadel.migr.exporter import Exporter
from mirror.citadel.migr.importer import Importer
from mirror.store.sqlite.store import SqliteStore

DOCS = (Path(__file__).parents[2] / "docs" / "disaster.md").read_text("utf-8")


@pytest.fixture
def lost(export: Path, tmp_path: Path) -> Path:
    """The recorded export of a server as a file of XML."""
    data = export.read_bytes()
    file = tmp_path / "lost.xml"
    file.write_bytes(data[data.index(b"<?xml") : data.rindex(b"000")])
    return file


def changed(file: Path, old: bytes, new: bytes) -> Path:
    data = file.read_bytes()
    assert data.count(old) >= 1
    other = file.with_name("other.xml")
    other.write_bytes(data.replace(old, new, 1))
    return other


def test_an_export_is_equal_to_itself(lost: Path) -> None:
    one = read_file(lost)
    assert {element: len(things) for element, things in one.items() if element != "text"} == {
        "config": 51, "user": 10, "room": 73, "floor": 16, "visit": 66, "message": 80,
    }  # fmt: skip
    assert differences(one, read_file(lost)) == []


def test_what_a_mirror_writes_of_it_differs_in_nothing_but_what_is_declared(
    lost: Path, tmp_path: Path, make_store: Callable[..., SqliteStore]
) -> None:
    store = make_store("m")
    Importer(store, "x").run([lost.read_bytes()])
    exporter = Exporter(store, "m")
    written = tmp_path / "written.xml"
    written.write_bytes(b"".join(exporter.blocks()))
    exporter.close()
    found = differences(read_file(lost), read_file(written))
    assert undeclared(found) == [] and found


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        (b">pw-Alice Liddell<", b">x<", ("user", "2", "u_password")),
        (b"<QRpasswd>sesame<", b"<QRpasswd>sesam<", ("room", "Vault", "QRpasswd")),
        (b"<v_seen>38:58,60</v_seen>", b"<v_seen>38:57,60</v_seen>", ("visit", "", "v_seen in the room")),
        (b"<f_name>Engineering<", b"<f_name>x<", ("floor", "1", "f_name")),
        (b'c_humannode">The alpha', b'c_humannode">the alpha', ("config", "c_humannode", "value")),
    ],
)
def test_whatever_else_differs_is_found(lost: Path, old: bytes, new: bytes, where: tuple[str, str, str]) -> None:
    found = undeclared(differences(read_file(lost), read_file(changed(lost, old, new))))
    assert [(one.element, one.name if where[1] else "", one.field) for one in found] == [where]


def test_a_message_that_lost_a_byte_is_found(lost: Path) -> None:
    import base64
    import re

    data = lost.read_bytes()
    texts = re.findall(rb"<msg_msgnum>64</msg_msgnum>.*?<msg_text>(.*?)</msg_text>", data, re.DOTALL)
    spoilt = base64.b64encode(base64.b64decode(texts[0]).replace(b"Stamp", b"stamp"))
    found = undeclared(differences(read_file(lost), read_file(changed(lost, texts[0], spoilt))))
    assert {one.element for one in found} == {"message"} and {one.field for one in found} == {"bytes"}
    assert "0000000002.Mail #64" in {one.name for one in found}


def test_every_declaration_is_told() -> None:
    told = " ".join(DOCS.split())
    assert [one.why for one in DECLARED if one.why not in told] == []


def outcome(found: list[Difference], exit_code: int = 0) -> Rebuilt:
    return Rebuilt(
        "Citadel Server 980", 1, Counter({"post": 3}), {"message": 3, "user": 1}, {"mirrored": 1.0, "rebuilt": 2.0},
        exit_code, {}, found, [], [("visits", 2)],
    )  # fmt: skip


def test_it_ends_with_0_where_all_that_differs_is_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = Difference("room", "Lobby", "QRmtime", "1", "2")
    real = Difference("user", "2", "u_password", "a", "b")
    monkeypatch.setattr(commands, "require_server", lambda _directory: None)
    monkeypatch.setattr(commands, "isolate", lambda: None)
    for found, exit_code, code in (([expected], 0, 0), ([expected, real], 0, 1), ([], 9, 1)):
        monkeypatch.setattr(commands, "run_rebuild", lambda *_, f=found, e=exit_code: outcome(f, e))
        shown = CliRunner().invoke(cli, ["rebuild", str(tmp_path)])
        assert shown.exit_code == code, shown.output
        assert ("EQUAL" in shown.output.splitlines()) == (code == 0)
        told = json.loads(CliRunner().invoke(cli, ["rebuild", str(tmp_path), "--json"]).stdout)
        assert bool(told["faults"]) == bool(code) and told["seconds"] == {"mirrored": 1.0, "rebuilt": 2.0}


def test_a_made_up_server_is_an_export_that_is_taken_whole(make_store: Callable[..., SqliteStore]) -> None:
    store = make_store("m")
    report = Importer(store, "x").run(made_up(DisasterSizes(users=5, messages=200)))
    assert report.refused == [] and not report.truncated
    assert (report.elements["user"], report.elements["message"]) == (6, 200)
    counts = store.read(lambda reader: {name: reader.digest(name).count for name in reader.collections("messages/")})
    assert sum(counts.values()) == 200 and len(counts) == 25
    assert min(count for name, count in counts.items()) > 0


@pytest.mark.parametrize("kind", COUNTED)
def test_a_node_that_goes_on_has_nothing_twice_and_nothing_less(kind: str) -> None:
    held = {one: {f"{one} alpha:1"} for one in COUNTED}
    assert otherwise(held, held) == []
    (twice,) = otherwise(held, held | {kind: held[kind] | {f"{kind} beta:2"}})
    (gone,) = otherwise(held, held | {kind: set()})
    assert f"1 {kind} more than it had, and 0 less" in twice and f"0 {kind} more than it had, and 1 less" in gone


def test_the_runbook_ends_with_1_where_anything_is_not_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "require_server", lambda _directory: None)
    monkeypatch.setattr(commands, "isolate", lambda: None)
    for faults, code in (([], 0), (["3 differences"], 1)):
        told = Told("Citadel Server 980", DisasterSizes(5, 200), {"the machine is gone": {"rebuild": 1.5}}, faults)
        monkeypatch.setattr(commands, "run_disasters", lambda *_, told=told: told)
        shown = CliRunner().invoke(cli, ["disasters", str(tmp_path)])
        assert shown.exit_code == code and "the machine is gone: rebuild 1.5 s" in shown.output
        assert json.loads(CliRunner().invoke(cli, ["disasters", str(tmp_path), "--json"]).stdout)["faults"] == faults
