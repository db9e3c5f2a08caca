"""What people reported of other programs that keep copies equal, each with its right value here."""

from collections.abc import Callable
from pathlib import Path

from mirror.model.record import Record
from mirror.store.open import open_store
from mirror.store.restore import restore
from mirror.store.sqlite.store import SqliteStore
from mirror.sync.exchange import MirrorExchange
from mirror.sync.responder import Responder
from mirror.sync.round import Round, exchange_all

Make = Callable[..., SqliteStore]
EVENT = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:e\nDTSTAMP:20260101T000000Z\n{}END:VEVENT\nEND:VCALENDAR\n"


def link(one, other) -> None:
    """Do twice what a link does that pushes too, so that what the other made of it comes back as well."""
    for _ in range(2):
        exchange_all(Round(MirrorExchange(one, other.node), pushing=True), Responder(other), other.epoch)


def post(store, room: str, key: str) -> None:
    store.write(lambda writer: writer.put(Record(f"messages/{room}", key, 1, "x", 1, body=b"text")))


def delete(store, room: str, key: str) -> None:
    store.write(lambda writer: writer.delete(f"messages/{room}", key))


def save(store, *lines: str) -> None:
    body = EVENT.format("".join(f"{line}\n" for line in lines)).encode()
    store.write(lambda writer: writer.put(Record("messages/calendar", "euid:e", 1, "x", 1, body=body)))


def alive(store, room: str) -> list[str]:
    return store.read(lambda reader: [one.key for one in reader.scan_all(f"messages/{room}") if not one.dead])


def text(store) -> str:
    return store.read(lambda reader: reader.body(reader.get("messages/calendar", "euid:e"))).decode()


def conflicts(store) -> list[object]:
    return list(store.read(lambda reader: reader.conflicts(unresolved=False)))


def test_a_message_that_two_nodes_move_to_different_rooms_is_in_both_without_a_conflict(make_store: Make) -> None:
    alpha, beta = make_store("alpha"), make_store("beta")
    post(alpha, "lobby", "id:X")
    link(beta, alpha)
    for store, room in ((alpha, "other"), (beta, "tasks")):
        delete(store, "lobby", "id:X")
        post(store, room, "id:X")
    link(beta, alpha)
    for store in (alpha, beta):
        assert [alive(store, room) for room in ("lobby", "other", "tasks")] == [[], ["id:X"], ["id:X"]]
        assert conflicts(store) == []


def test_after_a_backup_is_put_back_and_edited_at_once_nothing_comes_back_and_nothing_is_lost(
    make_store: Make, tmp_path: Path
) -> None:
    alpha, beta = make_store("alpha"), make_store("beta")
    post(alpha, "lobby", "id:deleted")
    save(alpha, "SUMMARY:old", "DESCRIPTION:old")
    link(beta, alpha)
    alpha.backup(tmp_path / "backup")
    post(alpha, "lobby", "id:posted")
    delete(alpha, "lobby", "id:deleted")
    save(alpha, "SUMMARY:new", "DESCRIPTION:old")
    link(beta, alpha)
    (tmp_path / "again").mkdir()
    restore(tmp_path / "again", "alpha", tmp_path / "backup")
    again = open_store(tmp_path / "again")
    try:
        save(again, "SUMMARY:old", "DESCRIPTION:new")
        link(beta, again)
        for store in (beta, again):
            assert alive(store, "lobby") == ["id:posted"]
            assert "SUMMARY:new" in text(store)
            assert "DESCRIPTION:new" in text(store)
            assert conflicts(store) == []
    finally:
        again.close()
