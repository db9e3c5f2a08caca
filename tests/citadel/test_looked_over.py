"""A server that is asked for all it has, to be compared with what is here; nothing of that is left behind."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_pair import Pair
from recorded_server import Recording

from mirror.citadel.bootstrap import copy_server
from mirror.citadel.looked_over import verify_server
from mirror.formats.errors import CitadelError
from mirror.formats.message import parse_message
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]


def test_a_copy_is_equal_to_its_server_and_leaves_no_store_behind(
    make_store: Make, server_directory: Path, recording: Recording, tmp_path: Path, listen_again: Callable[[], None]
) -> None:
    store = make_store("m")
    copy_server(store, server_directory)
    listen_again()
    beside = tmp_path / "beside"
    beside.mkdir()
    found = verify_server(store, beside, server_directory, node="m")
    assert found.differences == [] and found.server == "alpha"
    assert sum(one.here for one in found.collections) > 200
    assert list(beside.iterdir()) == []
    assert found.unseen and all(line.startswith("room ") for line in found.unseen), "what the recording does not tell"


def test_a_server_whose_export_is_cut_is_not_compared(
    make_store: Make, server_directory: Path, recording: Recording, tmp_path: Path
) -> None:
    key = ("", "", "MIGR export")
    recording.answers[key] = recording.answers[key].replace(b"</citadel_migrate_data>", b"")
    with pytest.raises(CitadelError, match="ends before its end tag"):
        verify_server(make_store("m"), tmp_path, server_directory, node="m")


def test_one_mail_that_came_by_two_domains_is_there_once_and_each_server_is_as_its_node_says(
    pair: Pair, tmp_path: Path
) -> None:
    """Each keeps the address at which it took it in; the nodes agree on one."""
    for name in ("one", "two"):  # so that numbers differ
        pair.beta.server.post(1, "from beta", name=f"{name}@beta")
    pair.settle()
    for side in pair:
        side.deliver(3, "by two ways", name="one@elsewhere", envelope=f"ann@{side.name}")
    pair.settle()
    for side in pair:
        assert [parse_message(one).text("V") for one in side.messages(3)] == [f"ann@{side.name}"]
        assert side.verify(tmp_path).differences == []
    assert len({side.store.read(lambda reader: reader.digest("messages/alpha:3")) for side in pair}) == 1


ITEM = "Content-type: text/calendar\n\nBEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:e1\nSUMMARY:{}\nEND:VEVENT\nEND:VCALENDAR\n"


def test_a_server_that_got_what_is_elsewhere_is_as_its_node_says_and_what_is_missing_or_changed_there_is_told(
    pair: Pair, tmp_path: Path
) -> None:
    alpha, beta = pair
    for at, side in enumerate(pair):
        for number in range(1 + at):  # so that numbers differ
            side.server.room(30 + number, f"{side.name} {number}", QRorder="64", QRdefaultview="3")
            side.server.post(30 + number, f"post {number}", name=f"{number}@{side.name}")
        side.server.user(30 + at, f"Bob of {side.name}", u_password="x", u_emailaddrs=f"bob@{side.name}")
        side.server.room(40 + at, f"{30 + at:010d}.Mail", QRorder="64", QRflags="16390", QRdefaultview="1")
        side.server.post(30, ITEM.format("Tea"), euid="e1")
    pair.settle()
    for side in pair:
        for one in side.server.rooms.values():
            if not one.get("QRdirname"):  # a real one tells it of rooms that have a directory
                one.pop("QRdirname", None)
        assert side.verify(tmp_path).differences == []
    room = alpha.number("beta 1")
    alpha.server.delete(room, alpha.server.lists[room][0])
    alpha.server.post(alpha.number("beta 0"), ITEM.format("Supper"), euid="e1")
    alpha.server.users[alpha.user("Bob of beta")]["u_axlevel"] = "6"
    told = {(one.collection.partition("/")[0], one.field) for one in alpha.verify(tmp_path).differences}
    assert told >= {("messages", "(the record)"), ("messages", "(the body)"), ("users", "u_axlevel")}
    assert beta.verify(tmp_path).differences == []
