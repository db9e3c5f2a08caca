"""What is to be written into a place of one thing, in each case of its table."""

import msgspec
import pytest

from mirror.formats.message import serialize_message
from mirror.model.draft import Base, base_of
from mirror.model.record import Record
from mirror.model.status import Status, fingerprints
from mirror.sync.foreign.back import Errand, plan_back


def item(summary: str, stamp: int = 5, **more: object) -> Record:
    text = f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:e\nSUMMARY:{summary}\nEND:VEVENT\nEND:VCALENDAR\n"
    body = serialize_message([("E", b"e"), ("M", f"Content-type: text/calendar\n\n{text}".encode())], 4)
    return Record("messages/r", "euid:e", stamp, "m", 1, body=body, **more)


def said(record: Record, base: Base) -> Status:
    return Status(record.collection, "7", record.key, "", base, 0, fingerprints(record))


HERE = item("here", past=(("n", 3),))
AGREED, EARLIER, UNSEEN = base_of(HERE), Base(3, "n"), Base(4, "citadel:a")
OTHER = item("there")


@pytest.mark.parametrize(
    ("statuses", "here", "errand"),
    [
        ([], HERE, Errand.WRITE),
        ([], msgspec.structs.replace(HERE, dead=True, body=b""), Errand.NOTHING),
        ([said(OTHER, EARLIER)], msgspec.structs.replace(HERE, dead=True, body=b""), Errand.DELETE),
        ([said(OTHER, AGREED)], HERE, Errand.NOTHING),
        ([said(HERE, UNSEEN)], HERE, Errand.NOTE),
        ([said(OTHER, EARLIER)], HERE, Errand.WRITE),
        ([said(OTHER, UNSEEN)], HERE, Errand.TAKE),
        ([said(OTHER, EARLIER), said(OTHER, UNSEEN)], HERE, Errand.TAKE),
        ([said(OTHER, UNSEEN), said(OTHER, AGREED)], HERE, Errand.NOTHING),
    ],
)
def test_each_case_has_its_errand(statuses: list[Status], here: Record, errand: Errand) -> None:
    assert plan_back(statuses, here) is errand
