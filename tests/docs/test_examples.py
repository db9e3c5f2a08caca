"""What the protocol's page shows is right: sizes, CRCs, values that can be read; and each action of users is shown."""

import re
from pathlib import Path

import pytest

from mirror.formats.message import parse_message
from mirror.model.checksum import crc64
from mirror.server.commands import ACTIONS
from mirror.server.table import Permission
from mirror.service.views import RoomList
from mirror.wire.answers import parse_listed_room
from mirror.wire.batch import Batch
from mirror.wire.bulk import parse_rooms, parse_written
from mirror.wire.codec import ContentRequest, Range, payload_batch, read_typed
from mirror.wire.readable import draft_from_json, record_from_json, written_from_json

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text("utf-8")
SHOWN = [block.replace("\n    ", "\n") for block in re.findall(r"\n\n    (.*(?:\n    .*)*)", PAGE)]
"""What stands indented: lines as they are sent."""
WHOLE = re.compile(r"((?:\w+=.*\n)+)DATA CHUNK (\d+)\n([^<].*?)END\n", re.DOTALL)
BATCHES = [
    Batch(dict(re.findall(r"(\w+)=(.*)\n", found[1])), found[3].encode())
    for block in SHOWN
    for found in WHOLE.finditer(block)
    if "..." not in found[3]
]
READ = {
    "keys": lambda batch: read_typed(batch, "keys", str),
    "contents": lambda batch: read_typed(batch, "contents", ContentRequest),
    "ranges": lambda batch: read_typed(batch, "ranges", Range),
    "rooms": lambda batch: parse_rooms(batch).events,
    "written": parse_written,
}
OF_NODES = {"compared", "heard", "join", "unpin"}
"""Actions for who is logged in that are of no use to a user's client."""
OF_USERS = {
    name
    for name, one in ACTIONS.items()
    if one.permission in (Permission.USER, Permission.LOGGED_IN) and name not in OF_NODES
}
OBJECT = re.compile(r'\{"collection".*?\}(?=\n\n|\nEND|$)', re.DOTALL)
OBJECTS = [" ".join(found.group().split()) for block in SHOWN for found in OBJECT.finditer(block)]


def test_there_are_examples() -> None:
    assert len(BATCHES) >= 5 and len(OBJECTS) >= 3


@pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: batch.header["Type"])
def test_a_batch_that_is_shown_whole_is_as_it_says(batch: Batch) -> None:
    assert int(batch.header["Size"]) == len(batch.payload)
    expected = payload_batch(batch.header["Type"], 0, "json", batch.payload)
    assert batch.header["Crc"] == expected.header["Crc"] == f"{crc64(batch.payload):016x}"
    assert READ[batch.header["Type"]](batch)


@pytest.mark.parametrize("text", OBJECTS, ids=range(len(OBJECTS)))
def test_an_object_that_is_shown_can_be_read(text: str) -> None:
    read = written_from_json if "as_sent" in text else record_from_json if '"time"' in text else draft_from_json
    assert read(text.encode()).collection


@pytest.mark.parametrize("action", sorted(OF_USERS))
def test_an_action_of_users_is_shown(action: str) -> None:
    shown = "\n".join(SHOWN)
    assert re.search(rf"^SYNC [^|\n]+\|{action}(\||$)", shown, re.MULTILINE), f"{action} has no example"


def test_a_room_is_shown_as_it_is_listed() -> None:
    lines = re.findall(r"^(?:200 )?(alpha:[\w.]+\|[^|\n]*(?:\|\d+){5})$", "\n".join(SHOWN), re.MULTILINE)
    assert {parse_listed_room(line).name for line in lines} >= {"Mail", "Calendar", "Archive/2024", "Old mail"}


def test_a_token_is_that_of_the_list_that_is_shown() -> None:
    (token, listed) = re.search(r"100 (\w{16})\|\S+\n((?:alpha:.*\n)+)000", "\n".join(SHOWN)).groups()
    rooms = RoomList(map(parse_listed_room, listed.splitlines()))
    assert token == f"{rooms.token:016x}"


def test_the_smallest_message_is_one() -> None:
    (shown,) = [block for block in SHOWN if block.startswith("ff 41 04")]
    message = parse_message(bytes.fromhex(shown))
    assert len(bytes.fromhex(shown)) == 40
    assert (message.format, message.text("U"), message.text("M")) == (4, "Hi", "Content-Type: text/plain\n\nhello")


def test_the_letters_of_a_message_are_those_that_are_known() -> None:
    section = PAGE.partition("\n## 11.")[2]
    letters = "".join(re.findall(r"^\| ([A-Z0-9, ]+) \|", section, re.MULTILINE)).replace(", ", "")
    assert set(letters) == set("ABCDEFGHIJKLMNOPRSTUVWY1")
