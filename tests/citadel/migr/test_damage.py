"""Exports with something wrong in them: what cannot be read is left out and named, and takes nothing along."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from exports import small_export

from mirror.citadel.migr.importer import Importer
from mirror.citadel.migr.report import Report
from mirror.model.fields import values_of
from mirror.model.stamp import stamp_ms
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
RECORDINGS = Path(__file__).parents[2] / "recordings"


def run(store: SqliteStore, data: bytes) -> Report:
    return Importer(store, "x").run([data])


def keys(store: SqliteStore, collection: str) -> list[str]:
    return store.read(lambda reader: [record.key for record in reader.scan_all(collection)])


@pytest.mark.parametrize(
    ("listed", "odd"),
    [
        ("10,11,²", "²"),
        ("10,abc,11", "abc"),
        ("10,99999999999999999999,11", "99999999999999999999"),
        ("10,١١,11", "١١"),
    ],
)
def test_one_bad_entry_of_a_list_is_refused_alone(make_store: Make, listed: str, odd: str) -> None:
    store = make_store("m")
    report = run(store, small_export(listed))
    assert report.refused == [f"line 12: <room_messages>: room 'Lobby' lists '{odd}', which is no message number"]
    assert keys(store, "messages/alpha:1") == ["id:10@example", "id:11@example"]
    assert keys(store, "orphans") == []
    assert report.why_incomplete == ""


def test_a_reference_too_large_is_refused_and_its_user_is_taken_over(make_store: Make) -> None:
    store = make_store("m")
    report = run(store, small_export(user="<u_msgnum_bio>99999999999999999999</u_msgnum_bio>"))
    assert report.refused == ["line 6: <user>: alpha:2: u_msgnum_bio is '99999999999999999999', which is no number"]
    assert values_of(store.read(lambda reader: reader.get("users", "alpha:2")))["u_fullname"] == "Ann"
    assert report.why_incomplete == ""


@pytest.mark.parametrize("list_of_two", ["10\n11\n", "10,\n11,", "10, 11", "10;11"])
def test_lists_are_split_at_whatever_is_no_digit(make_store: Make, list_of_two: str) -> None:
    store = make_store("m")
    assert run(store, small_export(list_of_two)).refused == []
    assert len(keys(store, "messages/alpha:1")) == 2


def test_an_export_of_902_arrives_with_the_messages_of_every_room(make_store: Make) -> None:
    """Its lists have a number a line, and a progress element behind the root's end (recording 902-03)."""
    lines = (RECORDINGS / "902-03-migr-export.txt").read_text("utf-8").splitlines()
    store = make_store("m")
    report = run(store, "".join(line[3:] + "\n" for line in lines if line.startswith("s: ")).encode())
    assert (report.node, report.refused, report.why_incomplete) == ("bravo", [], "")
    assert len(keys(store, "messages/bravo:17")) == 2
    assert len(keys(store, "messages/bravo:2")) == 6
    # Two of the eight have one message id.
    assert len({key.partition("#")[0] for key in keys(store, "messages/bravo:19")}) == 7


@pytest.mark.parametrize(
    ("seen", "read", "complaint"),
    [
        ("10,1²", {10}, "'1²' is no range"),
        ("10,99999999999999999999,11:13", {10, 11, 12, 13}, "'99999999999999999999' is no range"),
        ("14:12,11", {11}, "'14:12' is no range of message numbers: it ends before it begins"),
    ],
)
def test_a_bad_entry_of_a_seen_set_takes_neither_the_others_nor_the_flags_along(
    make_store: Make, seen: str, read: set[int], complaint: str
) -> None:
    store = make_store("m")
    report = run(store, small_export("10,11,12,13,14", seen=seen, count=5))
    (refused,) = report.refused
    assert refused.startswith(f"line 16: <visit>: v_seen of user 2 in room 1: {complaint}")
    assert values_of(store.read(lambda reader: reader.get("visits/alpha:1", "alpha:2")))["v_flags"] == "4"
    assert set(keys(store, "visits/alpha:1")) == {"alpha:2", *(f"alpha:2 id:{number}@example" for number in read)}
    assert report.why_incomplete == ""


def test_of_a_seen_set_that_the_server_has_cut_the_last_number_is_not_believed(make_store: Make) -> None:
    whole = "10," + ",".join(str(number) for number in range(100_000, 200_000, 2)) + "0"
    cut = whole[:4093] + "11"  # of a number that went on
    store = make_store("m")
    report = run(store, small_export(seen=cut))
    (refused,) = report.refused
    assert "11' may be cut: the server keeps 4095 bytes of a set" in refused
    assert set(keys(store, "visits/alpha:1")) == {"alpha:2", "alpha:2 id:10@example"}


def test_a_set_just_short_of_that_is_believed_to_its_end(make_store: Make) -> None:
    store = make_store("m")
    seen = "10," + "9" * 18 + ",9" * 2034 + ",11"
    assert len(seen) < 4095
    report = run(store, small_export(seen=seen))
    assert report.refused == []
    assert len(keys(store, "visits/alpha:1")) == 3


def test_mail_addresses_with_an_ampersand_which_the_server_does_not_escape_are_kept(make_store: Make) -> None:
    store = make_store("m")
    report = run(store, small_export(user="<u_emailaddrs>r&d@example.org|a&amp;b@example.org</u_emailaddrs>"))
    assert (report.refused, report.notices) == ([], ["line 6: <user>: 1 times & stands for itself"])
    user = values_of(store.read(lambda reader: reader.get("users", "alpha:2")))
    assert user["u_emailaddrs"] == "r&d@example.org|a&b@example.org"


def test_whole_elements_that_are_refused_and_a_cut_export_are_told_apart_from_bad_entries(make_store: Make) -> None:
    data = small_export()
    broken = data.replace(b"<msg_msgnum>11</msg_msgnum>", b"<msg_msgnum>x</msg_msgnum>")
    report = run(make_store("m"), broken)
    assert (report.lost, report.truncated) == (1, False)
    assert report.why_incomplete == (
        "1 of its elements were refused, the first in line 20: <message>: msg_msgnum is 'x', which is no number"
    )
    report = run(make_store("n"), data[: data.index(b"<progress>100")])
    assert (report.lost, report.truncated) == (0, True)
    assert report.why_incomplete == "the export ends before its end tag"
    report = run(make_store("o"), data[: data.index(b"</msg_text>") + 3])
    assert (report.lost, report.truncated) == (1, True)


@pytest.mark.parametrize("mtime", ["1900000000", "0", "nonsense"])
def test_a_room_of_which_it_is_not_known_when_it_was_changed_takes_no_message_out_of_its_time(
    make_store: Make, mtime: str
) -> None:
    """Mail from elsewhere has no id that says when it came: its own time does, and the room's change only caps it."""
    store = make_store("m", now_ms=lambda: 1_764_000_000_000)
    run(store, small_export().replace(b"<QRmtime>1690000200<", f"<QRmtime>{mtime}<".encode()))
    stamps = store.read(lambda reader: [stamp_ms(one.stamp) for one in reader.scan_all("messages/alpha:1")])
    assert stamps == [1690000300_000, 1690000300_000]


ODD = ("", "²", "-1", "x" * 5000, "9" * 5000, "18446744073709551615", "1900000000", "a\x01b", "&#1;")
NUMBERS = ("u_axlevel", "u_usernum", "u_lastcall", "QRgen", "QRflags", "QRnumber", "QRmtime", "FRmsglist", "v_roomnum",
           "v_roomgen", "v_usernum", "v_seen", "v_flags", "msg_msgnum")  # fmt: skip


HANGS_ON = {"u": {"user"}, "Q": {"room", "room_messages"}, "F": {"room_messages"}, "v": {"visit"}, "m": {"message"}}
"""By the first letter of a field, the elements that may be refused where it is not as it should be."""


def test_no_value_takes_more_than_what_hangs_on_it_along(make_store: Make) -> None:
    store, data = make_store("m"), small_export(seen="10").decode()
    whole = run(store, data.encode()).elements
    for name in NUMBERS:
        for odd in ODD:
            report = run(store, re.sub(f"<{name}>[^<]*<", f"<{name}>{odd}<", data, count=1).encode())
            less = {element for element, count in whole.items() if report.elements.get(element, 0) < count}
            assert less <= HANGS_ON[name[0]], (name, odd)
            assert report.lost or not less, (name, odd)
