"""Messages that are asked for one by one are what an export has of them, but for what no command tells."""

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from made_server import Server
from recorded_server import RECORDINGS, Recording

from mirror.citadel.migr.importer import Importer
from mirror.citadel.migr.report import Report
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.protocol.pieces import Wanted, fetch_messages
from mirror.formats.message import parse_message
from mirror.formats.migr import Broken, Element
from mirror.peer.channel import Channel
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
TEXT = (RECORDINGS / "18-messages-one-by-one.txt").read_text("utf-8")
STORED = {int(number): base64.b64decode(text) for number, text in re.findall(r"^# stored (\d+) (.*)$", TEXT, re.M)}
ROOMS = re.findall(r"^C: GOTO (.*)\|\|1$", TEXT, re.M)


@pytest.fixture
def recording(export: Path) -> Recording:
    return Recording(export.read_bytes(), "18-messages-one-by-one.txt")


@pytest.mark.parametrize("number", STORED)
def test_a_message_is_put_together_as_it_is_stored(server: Callable[..., Channel], number: int) -> None:
    """Flowing text with broken lines, fixed text, MIME, an author who is not shown, and lines that end listings."""
    room = ROOMS[list(STORED).index(number)]
    (element,) = fetch_messages(CitadelClient(server()), [Wanted(room, "", number)])
    assert isinstance(element, Element)
    found = base64.b64decode(element.children["msg_text"])
    assert found == STORED[number].replace(b"\r\n", b"\n")
    assert parse_message(found).anonymity == STORED[number][1]


def test_what_is_gone_is_left_out_and_the_next_is_there(server: Callable[..., Channel]) -> None:
    room, number = ROOMS[0], next(iter(STORED))
    client = CitadelClient(server())
    found = list(fetch_messages(client, [Wanted(room, "", 1), Wanted(room, "", number)]))
    assert [one.children["msg_msgnum"] for one in found if isinstance(one, Element)] == [str(number)]


def test_messages_come_in_the_order_of_their_numbers_and_a_room_that_is_refused_is_named_once(
    server: Callable[..., Channel], recording: Recording
) -> None:
    recording.answers["", "", "GOTO nowhere"] = b"572 no such room\n"
    places = sorted(zip(STORED, ROOMS), key=lambda place: place[1], reverse=True)
    wanted = [Wanted(room, "", number) for number, room in places]
    wanted += [Wanted("nowhere", "", number) for number in (1, max(STORED) + 1)]
    found = list(fetch_messages(CitadelClient(server()), wanted))
    numbers = [int(one.children["msg_msgnum"]) for one in found if isinstance(one, Element)]
    assert numbers == sorted(STORED)
    assert [one.reason for one in found if isinstance(one, Broken)] == ["room 'nowhere': 572 no such room"]


# -- which are asked for ------------------------------------------------------------------------------


class Asked:
    """Answers with a made-up server's messages, and remembers what it was asked for."""

    def __init__(self, server: Server, *refused: str) -> None:
        self.wanted: list[Wanted] | None = None
        self._server, self._refused = server, refused

    def __call__(self, wanted: list[Wanted]) -> Iterator[Element | Broken]:
        self.wanted = sorted(wanted)
        for room, _, number in wanted:
            if room in self._refused:
                yield Broken("message", f"room {room!r}: no", 0, 0)
            elif number in self._server.messages:
                text = base64.b64encode(self._server.messages[number]).decode()
                yield Element("message", "", "", {"msg_msgnum": str(number), "msg_text": text}, 0, 0)


def until_asked(server: Server, asked: Asked) -> Iterator[bytes]:
    """Yield an export line by line; none is read once single messages were asked for."""
    for line in server.export().splitlines(keepends=True):
        assert asked.wanted is None, "the export went on"
        yield line


def take(store: SqliteStore, server: Server, asked: Asked | None = None, data: Iterable[bytes] | None = None) -> Report:
    if asked is None:
        return Importer(store, "x").run([server.export()])
    return Importer(store, "x").run(data or until_asked(server, asked), asked)


def filled() -> Server:
    server = Server()
    server.user(1, "admin", u_msgnum_bio=str(server.hold("bio")))
    for number in (1, 2):
        secret = {"QRflags": "14", "QRpasswd": "x"} if number == 2 else {}
        server.room(number, f"Room {number}", **secret)
        for text in range(100):
            server.post(number, f"{number} {text}")
    server.room(3, "0000000001.My Citadel Config", QRflags="16390")
    server.lists[3] = [1]
    server.visit(1, 1, "1:50")
    return server


def numbers(asked: Asked) -> list[int]:
    assert asked.wanted is not None, "the whole export was read"
    return [number for _, _, number in asked.wanted]


def test_of_an_unchanged_server_nothing_is_asked_and_the_messages_are_not_read(make_store: Make) -> None:
    store, server, asked = make_store("m"), filled(), Asked(filled())
    take(store, server)
    report = take(store, server, asked)
    assert (numbers(asked), report.applied.written, report.why_incomplete, report.deleted) == ([], 0, "", 0)
    assert report.elements["message"] == 201, "as many as the server has"


def test_just_what_is_new_is_asked_for_and_what_is_gone_is_deleted(make_store: Make) -> None:
    store, fresh, server = make_store("m"), make_store("n"), filled()
    take(store, server)
    new = server.post(2, "new")
    bio = server.hold("another bio")
    server.user(1, "admin", u_msgnum_bio=str(bio))
    server.lists[3] = [bio]
    server.lists[1].remove(2)
    server.lists[2].append(3)
    server.visit(1, 1, f"1:40,{new}")
    asked = Asked(server)
    report = take(store, server, asked)
    assert (numbers(asked), report.why_incomplete) == ([bio, 3, new], "")
    assert {one.password for one in asked.wanted or [] if one.room == "Room 2"} == {"x"}
    take(fresh, server)

    def living(reader) -> dict[str, list[str]]:
        found = {name: [record.key for record in reader.scan_all(name)] for name in reader.digests()}
        return {name: keys for name, keys in found.items() if keys}

    here, there = store.read(living), fresh.read(living)
    marks = "visits/alpha:1"
    assert {**here, marks: []} == {**there, marks: []}
    assert numbers_read(store) == numbers_read(fresh)
    assert take(store, server, Asked(server)).applied.written == 0


def numbers_read(store: SqliteStore) -> list[str]:
    def job(reader) -> list[str]:
        found = reader.scan_all("visits/alpha:1", "alpha:1 ")
        return [record.key for record in found if b"\xc3" in record.head]

    return store.read(job)


@pytest.mark.parametrize("why", ["first", "many", "version", "file"])
def test_the_export_is_read_to_its_end_where_that_is_better(make_store: Make, why: str) -> None:
    store, server = make_store("m"), filled()
    asked = Asked(server)
    if why != "first":
        take(store, server)
    for text in range(30 if why == "many" else 1):
        server.post(1, f"new {text}")
    data = server.export().replace(b"<version>980<", b"<version>902<") if why == "version" else server.export()
    report = Importer(store, "x").run([data], None if why == "file" else asked)
    assert asked.wanted is None and report.why_incomplete == ""
    assert store.read(lambda reader: reader.digest("messages/alpha:1")).count == len(server.lists[1])


def test_what_is_gone_meanwhile_waits_for_the_next_look_and_a_room_that_is_refused_is_named(make_store: Make) -> None:
    store, server = make_store("m"), filled()
    take(store, server)
    new = server.post(1, "new")
    asked = Asked(server)
    data = server.export()
    del server.messages[new]
    report = take(store, server, asked, [data])
    assert (report.why_incomplete, report.refused) == ("", [])
    assert report.notices == ["1 messages were gone before they were read; the next look brings what became of them"]
    server.post(1, "newer")
    refused = take(store, server, Asked(server, "Room 1"), [server.export()])
    assert refused.why_incomplete.startswith("2 of its elements were refused, the first in line 0")
    assert "room 'Room 1': no" in refused.refused[0]
