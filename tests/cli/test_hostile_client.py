"""A person's commands over hostile data: rooms, items and files of names and texts that a terminal would obey."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from accounts import USER, Person
from click.testing import Result
from daemons import run, running
from evil import CLIENTS, EVIL
from persons import event

from mirror.cli import output
from mirror.formats.names import ROOM_IN_USE, ROOM_MAILBOX
from mirror.model.record import Record, pack_head, record_crc
from mirror.printable import one_line
from mirror.store.open import open_store

STAMP = 1_700_000_000_000 << 16
OWN, PUBLIC = "alpha:666", "alpha:667"
NO_SLASH = EVIL.replace("/", "")


@pytest.fixture(params=["60", "200"])
def person(
    tmp_path: Path, export: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Person]:
    """A person at a node with such rooms and items, whose terminal has so many columns."""
    monkeypatch.setattr(output, "_terminal_width", lambda: int(request.param))
    directory = tmp_path / "alpha"
    run(directory, "init", "--node", "alpha", "--listen", "127.0.0.1:0")
    run(directory, "import", str(export))
    store = open_store(directory, "alpha")
    users = store.read(lambda reader: list(reader.scan_all("users")))
    number = next(int(one.key.rpartition(":")[2]) for one in users if USER.encode() in one.head)
    for record in _records(f"{number:010d}"):
        store.write(lambda writer, one=record: writer.replace(one.collection, [(one, record_crc(one))], []))
    store.close()
    with running(directory) as daemon:
        yield Person(tmp_path, daemon.node.addresses[0])


def _records(number: str) -> Iterator[Record]:
    def fields(**given: object) -> bytes:
        return pack_head({name: [value, STAMP, "a"] for name, value in given.items()})

    own = fields(QRname=f"{number}.{EVIL}", QRflags=ROOM_IN_USE | ROOM_MAILBOX, QRdefaultview=3)
    yield Record("rooms", OWN, STAMP, "a", STAMP, head=own)
    yield Record("rooms", PUBLIC, STAMP, "a", STAMP, head=fields(QRname=EVIL, QRflags=ROOM_IN_USE))
    for room in (OWN, PUBLIC):
        text = EVIL.replace("\n", "").replace("\r", "")
        item = event(text.replace("\x1b", ""), summary=text)
        body = f"\xffA\4\0E{text}\0MContent-type: text/calendar\n\n{item}\0".encode("utf-8", "replace")
        yield Record(f"messages/{room}", f"euid:{text}", STAMP, "a", STAMP, body=body)
        yield Record(f"messages/{room}", f"id:{EVIL}", STAMP, "a", STAMP, body=b"no message" + EVIL.encode())


def test_nothing_that_a_terminal_obeys_is_shown_to_a_person(person: Person) -> None:
    walked: set[tuple[str, ...]] = set()

    def check(result: Result, *words: str) -> None:
        walked.add(("client", *words))
        assert "Traceback" not in result.output and "fault of this program" not in result.output
        shown = [*result.stdout.split("\n"), *result.stderr.split("\n")]
        assert [line for line in shown if one_line(line) != line] == []
        assert not any(line.startswith("2026-01-01") for line in shown)
        if result.stdout.startswith(("{", "[")):
            json.loads(result.stdout)

    def walk(*arguments: str, codes: tuple[int, ...] = (0, 1)) -> None:
        for more in ((), ("--json",)):
            result = person.try_to(*arguments, *more)
            assert result.exit_code in codes, (result.output, result.exception)
            check(result, *(one for one in arguments if one.isalpha() and one in _WORDS))

    check(person.init(), "init")
    walk("sync", "--dry-run")
    walk("sync")
    (person.calendars / "Calendar" / f"{NO_SLASH}.ics").write_text(f"BEGIN:VCALENDAR\n{EVIL}")
    walk("sync")
    walk("discover")
    walk("status")
    _disagree(person)
    walk("conflicts", codes=(0,))
    assert "SUMMARY" in person.try_to("conflicts", "show", "calendars", "1").stdout
    walk("conflicts", "show", "calendars", "1")
    walk("conflicts", "take", "calendars", "1", "mine", codes=(0, 1, 12))
    walk("reset", "calendars", "--yes")
    walk("sync", EVIL, codes=(2, 3, 12))
    assert walked >= CLIENTS


_WORDS = {word for words in CLIENTS for word in words}


def _disagree(person: Person) -> None:
    """Have two machines edit one item in two ways, with such texts."""
    text = EVIL.replace("\n", " ").replace("\r", " ")
    other = person.home / "other.toml"
    config = person.config.read_text().replace(str(person.calendars), str(person.home / "other"))
    other.write_text(config.replace("[pair.calendars]", "[pair.other]"))
    here, there = person.calendars / "Calendar" / "x.ics", person.home / "other" / "Calendar" / "x.ics"
    here.write_text(event("x"))
    person.try_to("sync")
    person.try_to("--config", str(other), "sync", "other")
    there.write_text(event("x", summary=f"theirs {text}"))
    person.try_to("--config", str(other), "sync", "other")
    here.write_text(event("x", summary=f"mine {text}"))
    person.try_to("sync")
