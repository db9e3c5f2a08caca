"""Nodes and servers of a pair that die at any step: what was being written is there once, and nothing is lost."""

from collections.abc import Callable

import pytest
from made_followed import backup, restore
from made_live import HungUp, Session
from made_pair import ALL_S, Pair, Side, event

from mirror.citadel.following.restarts import AT_ONCE
from mirror.peer.channel import ConnectionLost

by_what_is_told_and_by_exports = pytest.mark.parametrize("pair", [0.0, ALL_S], indirect=True, ids=["told", "exported"])
"""What is looked at as a node connects: all that it may ask for, or an export."""


def test_what_was_written_is_counted_on_after_a_restart(pair: Pair) -> None:
    pair.alpha.server.post(1, "from alpha", name="a@alpha")
    pair.settle()
    before = pair.beta.following.state.written_there
    assert before
    pair.beta.stop()
    pair.beta.start()
    pair.settle()
    state = pair.beta.following.state
    assert (state.written_there, state.written) == (before, pair.beta.following.state.written)


DIRECTORY = str(2 | 32 | 256)
WRITING = (
    "MOVE", "DELE", "ASUP", "CREU", "RENU", "CRE8", "SETR", "SETA", "KILL", "CFLR", "KFLR", "UOPN", "WRIT", "UCLS",
    "DELF", "IMAP APPEND", "IMAP UID", "IMAP LOGIN",
)  # fmt: skip
"""The commands by which something is written into a server."""


def fill_some(side: Side) -> None:
    """Fill a server with what is changed later."""
    server = side.server
    server.user(30, "Bob", u_password="bobs")
    server.floor(2, "Loft")
    for number, name, more in (
        (35, "Old", {}),
        (36, "Events", {"QRdefaultview": "3"}),
        (37, "Files", {"QRflags": DIRECTORY, "QRdirname": "files"}),
    ):
        server.room(number, name, **more)
    server.file(37, "old.txt", b"old")
    for name in ("moved", "deleted", "stays"):
        server.post(2, f"{name} later", name=f"{name}@alpha")
    server.post(1, "first", name="first@alpha")
    server.post(36, event(SUMMARY="Tea", LOCATION="Kitchen"), euid="e1")


def change_much(side: Side) -> None:
    """Do a bit of everything on a server that was filled so."""
    server = side.server
    server.user(31, "Carl", u_password="carls")
    server.room(41, "0000000031.Mail", QRflags="16390", QRdefaultview="1")
    server.post(41, "for Carl", name="carl@x")
    server.users[30] |= {"u_fullname": "Robert", "u_password": "new"}
    server.floor(2, "", f_flags="0")
    server.floor(3, "Attic")
    server.room(42, "New", QRfloor="3", QRroomaide="2", QRflags=DIRECTORY, QRdirname="new")
    server.file(42, "a.txt", b"file")
    server.post(42, "in New", name="new@x")
    moved, deleted, _ = server.lists[2]
    server.move(2, 1, moved)
    server.delete(2, deleted)
    server.visit(1, 2, f"{server.lists[1][0]}")
    del server.rooms[35], server.lists[35], server.files[37]["old.txt"]
    server.post(36, event(SUMMARY="Supper", LOCATION="Kitchen"), euid="e1")


@pytest.mark.parametrize("at", WRITING)
def test_a_node_that_is_killed_before_or_after_a_step_of_writing_ends_as_one_that_was_not(pair: Pair, at: str) -> None:
    alpha, beta = pair
    fill_some(alpha)
    pair.settle()
    change_much(alpha)
    alpha.look()
    pair.exchange()
    for after in (False, True):
        beta.server.before = cut = Cut(b"", at.encode()) if after else Cut(at.encode())
        with pytest.raises(ConnectionLost):
            for _ in range(5):
                beta.look()
        assert cut.done
        beta.start()
    beta.server.before = lambda _command: None
    pair.settle()
    assert sorted(beta.said()["users"]) == ["Ann", "Carl", "Robert", "SYS_Citadel", "admin"]
    assert pair.losers() == []


class Cut:
    """Cuts the connection just before the first command that begins with ``at``, once one with ``after`` came."""

    def __init__(self, at: bytes, after: bytes = b"") -> None:
        self._at, self._after = at, after
        self._is_due, self.done = not after, False

    def __call__(self, command: bytes) -> None:
        if not self.done and self._is_due and command.startswith(self._at):
            self.done = True
            raise HungUp
        self._is_due = self._is_due or command.startswith(self._after)


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_server_that_dies_in_the_middle_of_taking_a_message_has_it_once(pair: Pair, is_kept: bool) -> None:
    alpha, beta = pair
    append = beta.server.append

    def die(data: bytes, folder: str) -> int:
        beta.server.append = append  # type: ignore[method-assign]
        if is_kept:
            append(data, folder)
        raise HungUp

    alpha.server.post(1, "from alpha", name="a@alpha")
    alpha.look()
    pair.exchange()
    beta.server.append = die  # type: ignore[method-assign]
    with pytest.raises(ConnectionLost):
        beta.look()
    beta.start()
    pair.settle()
    assert beta.texts(1) == [("a@alpha", "from alpha")]
    assert not any(numbers for number, numbers in beta.server.lists.items() if number not in (1, 90))


def befall_a_move(side: Side, befall: Callable[[int, int, int], object]) -> None:
    """Have something befall a server with the next message that is moved there: by its number, from a room, to one."""
    move = side.server._move

    def moved(rest: str, session: Session) -> bytes:
        side.server._move = move  # type: ignore[method-assign]
        number, name, _ = rest.split("|")
        (target,) = [one for one, room in side.server.rooms.items() if room["QRname"] == name]
        befall(int(number), session.room, target)
        return move(rest, session)

    side.server._move = moved  # type: ignore[method-assign]


def look_and_start_again(side: Side) -> None:
    """Have a node look at a server that dies then, and be started again."""
    with pytest.raises(ConnectionLost):
        side.look()
    side.start()


def test_a_message_that_was_being_put_there_when_the_server_was_killed_has_its_text(pair: Pair) -> None:
    alpha, beta = pair
    alpha.server.post(1, "from alpha", name="a@alpha")
    alpha.look()
    pair.exchange()
    befall_a_move(beta, beta.server.die_in_a_move)
    look_and_start_again(beta)
    pair.settle()
    assert [side.texts(1) for side in pair] == [[("a@alpha", "from alpha")]] * 2


def test_an_item_that_was_being_replaced_when_the_server_was_killed_is_the_new_one(pair: Pair) -> None:
    alpha, beta = pair
    alpha.server.room(40, "Events", QRdefaultview="3")
    alpha.server.post(40, event(SUMMARY="Tea"), euid="e1")
    pair.settle()
    alpha.server.post(40, event(SUMMARY="Supper"), euid="e1")
    alpha.look()
    pair.exchange()
    befall_a_move(beta, beta.server.die_in_a_move)
    look_and_start_again(beta)
    pair.settle()
    for side in pair:
        ((_, text),) = side.texts(side.number("Events"))
        assert "SUMMARY:Supper" in text


@by_what_is_told_and_by_exports
def test_an_item_that_a_killed_server_has_again_as_it_was_before_it_was_replaced_is_the_new_one(pair: Pair) -> None:
    """The node is cut off once it has replaced the item, and again once it has seen that."""
    alpha, beta = pair
    alpha.server.room(40, "Events", QRdefaultview="3")
    alpha.server.post(40, event(SUMMARY="Tea"), euid="e1")
    pair.settle()
    before = backup(beta.server)
    alpha.server.post(40, event(SUMMARY="Supper"), euid="e1")
    alpha.look()
    pair.exchange()
    for at, after in ((b"", b"MOVE"), (b"CONF", b"MSG2")):
        beta.server.before = Cut(at, after)
        look_and_start_again(beta)
    beta.server.before = lambda _command: None
    restore(beta.server, before)
    beta.server.started = beta.server.now
    pair.settle()
    assert "SUMMARY:Supper" in beta.texts(beta.number("Events"))[0][1]


def test_a_message_that_was_being_moved_when_the_server_was_killed_is_where_it_was_moved_to(pair: Pair) -> None:
    alpha, beta = pair
    number = alpha.server.post(1, "moved", name="m@alpha")
    pair.settle()
    alpha.server.move(1, 2, number)
    alpha.look()
    pair.exchange()
    befall_a_move(beta, beta.server.die_in_a_move)
    look_and_start_again(beta)
    pair.settle()
    assert [(side.texts(1), side.texts(2)) for side in pair] == [([], [("m@alpha", "moved")])] * 2


def test_an_item_whose_room_is_renamed_just_when_it_is_put_there_is_in_that_room(pair: Pair) -> None:
    alpha, beta = pair
    alpha.server.room(40, "Events", QRdefaultview="3")
    pair.settle()
    alpha.server.post(40, event(SUMMARY="Tea"), euid="e1")
    alpha.look()
    pair.exchange()
    befall_a_move(beta, lambda _number, _source, target: beta.server.rename(target, "Dates"))
    beta.look()
    pair.settle()
    ((_, text),) = beta.texts(beta.number("Dates"))
    assert "SUMMARY:Tea" in text


def kill(side: Side) -> None:
    """Kill a server, and start it and its node again."""
    side.stop()
    side.server.started = side.server.now
    side.start()


@by_what_is_told_and_by_exports
def test_a_message_of_which_a_killed_server_lost_the_text_is_written_again_with_its_marks(pair: Pair) -> None:
    alpha, beta = pair
    alpha.server.post(1, "wanted", name="w@alpha")
    alpha.server.visit(1, 2, str(alpha.server.lists[1][0]))
    pair.settle()
    del beta.server.messages[beta.server.lists[1][0]]
    kill(beta)
    pair.settle()
    assert [side.texts(1) for side in pair] == [[("w@alpha", "wanted")]] * 2
    assert beta.said()["marks"] == {"Lobby, Ann": [("v_seen", "w@alpha")]}


def test_a_message_without_its_text_that_is_moved_there_is_deleted_nowhere(pair: Pair) -> None:
    alpha, beta = pair
    alpha.server.post(1, "wanted", name="w@alpha")
    pair.settle()
    (number,) = beta.server.lists[1]
    del beta.server.messages[number]
    beta.server.move(1, 2, number)
    pair.settle()
    assert [(side.texts(1), side.texts(2)) for side in pair] == [([("w@alpha", "wanted")], [])] * 2


@by_what_is_told_and_by_exports
def test_of_what_is_gone_from_a_killed_server_that_was_newer_than_all_there_is_is_written_again(pair: Pair) -> None:
    beta = pair.beta
    for name in ("old", "middle", "new", "newest"):
        beta.server.post(1, name, name=f"{name}@beta")
    pair.settle()
    for number in (beta.server.lists[1][0], *beta.server.lists[1][2:]):
        beta.server.delete(1, number)
    kill(beta)
    pair.settle()
    expected = ["middle@beta", "new@beta", "newest@beta"]
    assert [[name for name, _ in side.texts(1)] for side in pair] == [expected] * 2
    beta.server.delete(1, beta.server.lists[1][-1])
    pair.settle()
    assert [len(side.texts(1)) for side in pair] == [2, 2], "once all was looked at, what is gone was deleted"


@by_what_is_told_and_by_exports
def test_what_is_gone_from_a_killed_server_that_has_counted_far_beyond_it_was_deleted(pair: Pair) -> None:
    """It is the newest that is known; what came later, while nobody looked, came to the disk after it."""
    beta = pair.beta
    beta.server.post(1, "old", name="old@beta")
    beta.server.post(1, "new", name="new@beta")
    pair.settle()
    beta.server.delete(1, beta.server.lists[1][-1])
    for number in range(AT_ONCE + 1):
        beta.server.post(2, "later", name=f"later{number}@beta")
    kill(beta)
    pair.settle()
    assert [side.texts(1) for side in pair] == [[("old@beta", "old")]] * 2
    assert [len(side.texts(2)) for side in pair] == [AT_ONCE + 1] * 2


@by_what_is_told_and_by_exports
def test_what_is_newest_and_gone_from_a_server_that_was_not_started_again_was_deleted(pair: Pair) -> None:
    beta = pair.beta
    beta.server.post(1, "new", name="new@beta")
    pair.settle()
    beta.server.delete(1, beta.server.lists[1][-1])
    beta.stop()
    beta.start()
    pair.settle()
    assert [side.texts(1) for side in pair] == [[], []]
