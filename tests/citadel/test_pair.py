"""Two made-up servers that are kept equal by two nodes: what is done on both at once is one in the end."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_followed import backup, restore
from made_live import HungUp, Session
from made_pair import ALL_S, Pair, Side, a_pair

from mirror.citadel.following.restarts import AT_ONCE
from mirror.citadel.meaning.keys import Pair as KeyPair
from mirror.model.fields import fields_at, values_of
from mirror.model.record import Record
from mirror.peer.channel import ConnectionLost
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]


@pytest.fixture
def pair(make_store: Make, tmp_path: Path) -> Iterator[Pair]:
    with a_pair(make_store, tmp_path) as pair:
        yield pair


def test_what_is_posted_on_either_is_on_both(pair: Pair) -> None:
    pair.alpha.server.post(1, "from alpha", name="a@alpha")
    pair.beta.server.post(1, "from beta", name="b@beta")
    pair.settle()
    assert pair.alpha.texts(1) == [("a@alpha", "from alpha"), ("b@beta", "from beta")]


def test_a_room_that_is_put_on_a_floor_while_that_is_killed_on_the_other_is_on_the_first_floor_of_both(
    pair: Pair,
) -> None:
    pair.alpha.server.floor(2, "Attic")
    pair.settle()
    attic = next(number for number, one in pair.beta.server.floors.items() if one["f_name"] == "Attic")
    pair.alpha.server.floor(2, "", f_flags="0")
    pair.beta.server.rooms[2] |= {"QRfloor": str(attic), "QRorder": "7"}
    pair.beta.server.room(50, "New", QRfloor=str(attic))
    pair.beta.server.room(51, "9999999999.6B0C0000.0001.Old", QRflags="16390", QRfloor=str(attic))
    pair.alpha.look()
    pair.beta.look()
    pair.exchange()
    pair.alpha.look()
    assert pair.alpha.server.rooms[2]["QRorder"] == "7", "what is written besides does not wait for the floor"
    pair.settle()
    floors = [[one["f_name"] for one in side.server.floors.values() if one["f_name"]] for side in pair]
    assert floors == [["Main Floor"], ["Main Floor"]]
    assert [side.server.rooms[side.number("New")]["QRfloor"] for side in pair] == ["0", "0"]


def floors(side: Side) -> dict[str, int]:
    return {one["f_name"]: number for number, one in side.server.floors.items() if int(one["f_flags"]) & 1}


def make_floor(side: Side, name: str) -> None:
    """Make a floor as a server does: under the first number that is free."""
    side.server.floor(next(one for one in range(16) if one not in floors(side).values()), name)


def kill_floor(side: Side, name: str) -> None:
    side.server.floor(floors(side)[name], "", f_flags="0")


def test_a_floor_that_is_made_where_one_was_killed_is_another_one_whoever_killed_that(pair: Pair) -> None:
    for killed_on, made_on in itertools.product(pair, pair):
        alpha, beta = pair
        make_floor(alpha, "Attic")
        make_floor(alpha, "Roof")
        make_floor(beta, "Cellar")
        pair.settle()
        for name in ("Attic", "Cellar"):
            kill_floor(killed_on, name)
        pair.settle()
        make_floor(made_on, "New")
        pair.settle()
        make_floor(alpha, "Newer")
        make_floor(beta, "Newest")
        pair.settle()
        expected = {"Main Floor", "Roof", "New", "Newer", "Newest"}
        assert set(floors(alpha)) == expected, (killed_on.name, made_on.name)
        for name in expected - {"Main Floor"}:
            kill_floor(made_on, name)
        pair.settle()
        assert set(floors(beta)) == {"Main Floor"}


def test_a_floor_that_is_killed_just_when_one_from_elsewhere_is_made_there_is_killed_on_both(pair: Pair) -> None:
    alpha, beta = pair
    make_floor(alpha, "Attic")
    pair.settle()
    make_floor(beta, "Cellar")
    beta.look()
    pair.exchange()

    listed = []

    def kill(command: bytes) -> None:
        listed.extend([command] * (command == b"LFLR"))
        if len(listed) == 2:  # the second one is asked for by who writes
            alpha.server.before = lambda _command: None
            kill_floor(alpha, "Attic")

    alpha.server.before = kill
    alpha.look()
    pair.settle()
    assert [set(floors(side)) for side in pair] == [{"Main Floor", "Cellar"}] * 2


# -- one thing on both at once ------------------------------------------------------------------------


def test_mail_that_is_delivered_on_both_at_once_is_in_one_mailbox(pair: Pair) -> None:
    for side in pair:
        side.server.post(3, f"to Ann by {side.name}", name=f"mail@{side.name}")
    pair.settle()
    assert [text for _, text in pair.alpha.texts(3)] == ["to Ann by alpha", "to Ann by beta"]


def test_one_mail_that_came_by_both_is_there_once(pair: Pair) -> None:
    for side in pair:
        side.server.post(3, "by two ways", name="one@elsewhere")
    pair.settle()
    assert [side.texts(3) for side in pair] == [[("one@elsewhere", "by two ways")]] * 2


def event(**fields: str) -> str:
    said = "".join(f"{name}:{value}\n" for name, value in fields.items())
    inside = f"BEGIN:VEVENT\nUID:e1\nDTSTART:20260101T120000Z\n{said}END:VEVENT\n"
    return f"Content-type: text/calendar; charset=UTF-8\n\nBEGIN:VCALENDAR\nVERSION:2.0\n{inside}END:VCALENDAR\n"


def test_an_item_that_is_edited_on_both_has_both_edits(pair: Pair) -> None:
    alpha, beta = pair
    alpha.server.room(40, "Events", QRdefaultview="3")
    alpha.server.post(40, event(SUMMARY="Tea", LOCATION="Kitchen"), euid="e1")
    pair.settle()
    alpha.server.post(40, event(SUMMARY="Supper", LOCATION="Kitchen"), euid="e1")
    beta.server.post(beta.number("Events"), event(SUMMARY="Tea", LOCATION="Garden"), euid="e1")
    pair.settle()
    for side in pair:
        ((_, text),) = side.texts(side.number("Events"))
        assert "SUMMARY:Supper" in text and "LOCATION:Garden" in text


def test_read_and_answered_marks_of_both_are_on_both(make_store: Make, tmp_path: Path) -> None:
    with a_pair(make_store, tmp_path, export_s=300) as pair:  # an export alone tells who answered
        alpha, beta = pair
        for number in range(4):
            alpha.server.post(1, f"post {number}", name=f"{number}@alpha")
        pair.settle()
        numbers = [side.server.lists[1] for side in pair]
        alpha.server.visit(1, 2, f"{numbers[0][0]}", f"{numbers[0][0]}")
        beta.server.visit(1, 2, f"{numbers[1][1]}:{numbers[1][2]}", f"{numbers[1][2]}")
        pair.settle()
        marks = alpha.said()["marks"]["Lobby, Ann"]
        assert marks == [
            ("v_answered", "0@alpha"),
            ("v_answered", "2@alpha"),
            *(("v_seen", f"{n}@alpha") for n in range(3)),
        ]


def test_who_has_read_all_of_a_room_has_not_read_what_is_moved_into_it_on_the_other(pair: Pair) -> None:
    alpha, beta = pair
    number = alpha.server.post(1, "moved", name="m@alpha")
    alpha.server.post(2, "read", name="r@alpha")
    pair.settle()
    beta.server.visit(2, 2, f"*:{beta.server.highest}")
    pair.settle()
    assert alpha.said()["marks"] == {"Talk, Ann": [("v_seen", "r@alpha")]}
    alpha.server.move(1, 2, number)
    pair.settle()
    assert beta.said()["marks"] == {"Talk, Ann": [("v_seen", "r@alpha")]}


def test_what_a_user_reads_just_while_marks_are_set_as_that_user_is_read_on_both(pair: Pair) -> None:
    alpha, beta = pair
    beta.server.somebody = False
    for room in (1, 2):
        alpha.server.post(room, f"post in {room}", name=f"{room}@alpha")
    pair.settle()

    def read() -> None:
        beta.server.users[2]["u_lastcall"] = str(beta.server.now)
        beta.server.mark(2, 2, "v_seen", str(beta.server.lists[2][0]), True)

    alpha.server.visit(1, 2, str(alpha.server.lists[1][0]))
    beta.server.once_before(b"IMAP SELECT", read)
    pair.settle()
    assert alpha.said()["marks"] == {"Lobby, Ann": [("v_seen", "1@alpha")], "Talk, Ann": [("v_seen", "2@alpha")]}


def test_files_of_both_are_on_both_and_of_two_of_one_name_one(pair: Pair) -> None:
    alpha, beta = pair
    for side in pair:
        side.server.rooms[2] |= {"QRflags": str(2 | 32 | 64 | 128 | 256), "QRdirname": "talk", "QRflags2": "64"}
    pair.settle()
    for side in pair:
        side.server.file(2, f"of {side.name}.txt", side.name.encode() * 10)
        side.server.file(2, "same.txt", b"from " + side.name.encode())
    pair.settle()
    assert sorted(alpha.server.files[2]) == ["of alpha.txt", "of beta.txt", "same.txt"]
    lost = {one.body for one in pair.losers()}
    assert {alpha.server.files[2]["same.txt"].data, *lost} == {b"from alpha", b"from beta"}
    del beta.server.files[2]["of alpha.txt"]
    alpha.server.file(2, "of beta.txt", b"replaced")
    pair.settle()
    assert sorted(alpha.server.files[2]) == ["of beta.txt", "same.txt"]
    assert beta.server.files[2]["of beta.txt"].data == b"replaced"


# -- done on one while the other does something else ---------------------------------------------------


def test_what_is_moved_on_one_while_it_is_deleted_on_the_other_is_moved(pair: Pair) -> None:
    alpha, beta = pair
    number = alpha.server.post(1, "wanted", name="w@alpha")
    pair.settle()
    alpha.server.move(1, 2, number)
    beta.server.delete(1, beta.server.lists[1][0])
    pair.settle()
    assert [(side.texts(1), side.texts(2)) for side in pair] == [([], [("w@alpha", "wanted")])] * 2


def test_of_two_mails_of_one_id_the_one_that_is_put_elsewhere_is_there_though_the_other_one_goes(pair: Pair) -> None:
    alpha, beta = pair
    alpha.server.post(1, "Content-type: text/plain\n\none", name="twin@alpha")
    alpha.server.post(2, "Content-type: text/plain\n\ntwo", name="twin@alpha")
    pair.settle()
    beta.server.room(40, "Copies")
    pair.settle()
    (one,), (two,) = beta.server.lists[1], beta.server.lists[2]
    beta.server.lists[40].append(one)
    beta.server.touch(40)
    beta.server.delete(2, two)
    pair.settle()
    ((_, text),) = alpha.texts(alpha.number("Copies"))
    assert text.endswith("one")


def test_a_room_that_is_renamed_on_one_while_it_is_posted_to_on_the_other_has_the_post_and_the_name(pair: Pair) -> None:
    alpha, beta = pair
    alpha.server.rooms[2]["QRname"] = "Conversation"
    beta.server.post(2, "to Talk", name="t@beta")
    pair.settle()
    assert [side.texts(side.number("Conversation")) for side in pair] == [[("t@beta", "to Talk")]] * 2


def test_rooms_that_swap_their_names_on_one_are_swapped_on_both(pair: Pair) -> None:
    alpha, beta = pair
    alpha.server.room(40, "Other")
    pair.settle()
    alpha.server.post(2, "in Talk", name="t@alpha")
    alpha.server.rooms[2]["QRname"], alpha.server.rooms[40]["QRname"] = "Other", "Talk"
    beta.server.post(beta.number("Other"), "in Other", name="o@beta")
    pair.settle()
    assert beta.texts(beta.number("Other")) == [("t@alpha", "in Talk")]
    assert beta.texts(beta.number("Talk")) == [("o@beta", "in Other")]


def test_users_who_swap_their_names_on_one_are_swapped_on_both(pair: Pair) -> None:
    alpha, beta = pair
    alpha.server.user(11, "Bob", u_password="bobs")
    pair.settle()
    alpha.server.users[2]["u_fullname"], alpha.server.users[11]["u_fullname"] = "Bob", "Ann"
    beta.server.users[beta.user("Bob")]["u_password"] = "new"
    pair.settle()
    assert [side.server.users[side.user("Ann")]["u_password"] for side in pair] == ["new", "new"]
    assert [side.server.users[side.user("Bob")]["u_password"] for side in pair] == ["secret", "secret"]


def test_a_room_that_is_killed_on_one_and_remade_is_the_new_one_on_both(pair: Pair) -> None:
    alpha, beta = pair
    alpha.server.post(2, "old", name="old@alpha")
    pair.settle()
    del alpha.server.rooms[2], alpha.server.lists[2]
    alpha.server.room(40, "Talk")
    alpha.server.post(40, "new", name="new@alpha")
    beta.server.post(2, "late", name="late@beta")
    pair.settle()
    assert [side.texts(side.number("Talk")) for side in pair] == [[("new@alpha", "new")]] * 2


def test_a_folder_that_is_killed_on_one_while_its_user_is_deleted_on_the_other_is_told_of_by_nobody(pair: Pair) -> None:
    alpha, beta = pair
    alpha.server.room(40, "0000000002.Old", QRflags="16390")
    pair.settle()
    del alpha.server.rooms[40], alpha.server.lists[40]
    del beta.server.users[2]
    pair.settle()
    assert [one.following.state.left_there for one in pair] == [[], []]


def test_a_user_who_is_brought_back_again_and_again_is_on_both_with_the_rooms_and_under_one_number_here(
    pair: Pair,
) -> None:
    alpha, beta = pair
    alpha.server.room(40, "0000000002.Own", QRflags="16390")
    alpha.server.post(40, "kept", name="kept@alpha")
    pair.settle()
    ann = dict(values_of(alpha.store.read(lambda reader: reader.get("users", "alpha:2"))))
    for side in (alpha, beta, alpha):
        del side.server.users[side.user("Ann")]
        pair.settle()
        head = fields_at(ann, 1, side.name)
        side.store.write(lambda writer, head=head: writer.put(Record("users", "alpha:2", 1, "", 1, head=head)))
        pair.settle()
        assert [one.texts(one.number("Ann: Own")) for one in pair] == [[("kept@alpha", "kept")]] * 2
        number = values_of(side.store.read(lambda reader: reader.get("users", "alpha:2")))["u_usernum"]
        assert number == "2", "by which the names of mailboxes tell whose they are"


def test_a_user_who_is_deleted_just_when_a_change_from_elsewhere_is_written_stays_deleted(pair: Pair) -> None:
    alpha, beta = pair
    beta.server.users[2]["u_password"] = "new"
    beta.look()
    pair.exchange()

    def delete(command: bytes) -> None:
        if command == b"MSGS LAST|1":  # as the first that is asked before users are written
            alpha.server.before = lambda _command: None
            del alpha.server.users[2]

    alpha.server.before = delete
    alpha.look()
    pair.settle()
    assert [sorted(side.said()["users"]) for side in pair] == [["SYS_Citadel", "admin"]] * 2


def test_a_room_that_is_made_on_one_and_killed_there_before_it_is_looked_at_on_the_other_is_gone_from_both(
    pair: Pair,
) -> None:
    alpha, beta = pair
    alpha.server.room(40, "Short")
    alpha.look()
    pair.exchange()
    beta.look_once()  # which makes it there
    assert beta.number("Short")
    del alpha.server.rooms[40], alpha.server.lists[40]
    alpha.look()
    pair.exchange()
    pair.settle()
    assert not any(room["QRname"] == "Short" for side in pair for room in side.server.rooms.values())


def test_a_password_that_is_changed_on_both_is_the_later_one_on_both_and_the_other_one_is_kept(pair: Pair) -> None:
    alpha, beta = pair
    alpha.server.users[2]["u_password"] = "by alpha"
    beta.server.users[2]["u_password"] = "by beta"
    pair.settle()
    passwords = {side.server.users[2]["u_password"] for side in pair}
    lost = {values_of(one).get("u_password") for one in pair.losers()}
    assert {*passwords, *lost} == {"by alpha", "by beta"} and len(passwords) == 1


def test_a_room_that_gets_a_password_on_one_while_its_flags_are_changed_on_the_other_is_the_same_on_both(
    pair: Pair,
) -> None:
    alpha, beta = pair
    alpha.server.rooms[2] |= {"QRflags": "14", "QRpasswd": "sesame"}
    beta.server.rooms[2]["QRflags"] = "8194"
    pair.settle()
    assert [one.server.rooms[2]["QRflags"] for one in pair] == ["8194", "8194"]
    alpha.server.rooms[2] |= {"QRflags": "8206", "QRpasswd": "again"}
    pair.settle()
    assert beta.server.rooms[2]["QRpasswd"] == "again"


def test_one_user_name_that_is_made_on_both_is_two_until_they_are_paired(pair: Pair) -> None:
    alpha, beta = pair
    for side in pair:
        side.server.user(30, "Bob", u_password=f"of {side.name}")
        side.server.room(31, "0000000030.Mail", QRflags="16390", QRdefaultview="1")
        side.server.post(31, f"mail on {side.name}", name=f"m@{side.name}")
    pair.rest()
    assert [one.server.users[30]["u_password"] for one in pair] == ["of alpha", "of beta"]
    assert [[text for _, text in one.texts(31)] for one in pair] == [["mail on alpha"], ["mail on beta"]]
    assert [len(one.following.state.left_there) for one in pair] == [1, 1]
    assert "its name is taken there: rename one of the two, or 'attach pair" in alpha.following.state.left_there[0]
    beta.following.pair(KeyPair("users", 30, "alpha:30", 30))
    pair.settle()
    assert [text for _, text in alpha.texts(31)] == ["mail on alpha", "mail on beta"]


# -- what a server throws away, or lost -----------------------------------------------------------------


def test_many_scattered_marks_are_on_both(pair: Pair) -> None:
    alpha, beta = pair
    for number in range(200):
        alpha.server.post(1, f"post {number}", name=f"{number:03}@alpha")
    pair.settle()
    alpha.server.visit(1, 2, ",".join(map(str, alpha.server.lists[1][::2])))
    pair.settle()
    assert len(beta.server.marked(1, 2, "v_seen")) == 100
    beta.server.mark(1, 2, "v_seen", ",".join(map(str, beta.server.lists[1][::4])), False)
    pair.settle()
    assert len(alpha.server.marked(1, 2, "v_seen")) == 50


def test_what_one_server_throws_away_by_its_age_is_gone_from_both(pair: Pair) -> None:
    alpha, beta = pair
    alpha.server.rooms[2] |= {"QRexpire_mode": "2", "QRexpire_value": "3"}
    for number in range(5):
        alpha.server.post(2, f"post {number}", name=f"{number}@alpha")
    pair.settle()
    assert beta.server.rooms[2]["QRexpire_value"] == "3"
    for number in alpha.server.lists[2][:2]:
        alpha.server.delete(2, number)
    pair.settle()
    assert [name for name, _ in beta.texts(2)] == ["2@alpha", "3@alpha", "4@alpha"]


def begin_purge(pair: Pair) -> None:
    """Have both servers be in alpha's purge hour, in which it throws away who did not call for long."""
    for side in pair:
        side.server.now = (side.server.now // 86_400 + 100) * 86_400 + 3 * 3600 + 60
        side.server.settings.update(c_purge_hour="3" if side is pair.alpha else "5", c_userpurge="60")
    pair.settle()


def call(side: Side, user: str) -> str:
    """Have a user have logged in just now; returns when, as the server says it."""
    side.server.users[side.user(user)]["u_lastcall"] = moment = str(side.server.now - 60)
    return moment


def test_who_called_on_one_server_did_so_on_the_other_which_throws_nobody_away_then(pair: Pair) -> None:
    alpha, beta = pair
    begin_purge(pair)
    moment = call(beta, "Ann")
    pair.settle()
    assert alpha.server.users[alpha.user("Ann")]["u_lastcall"] == moment


def test_who_called_on_one_just_when_the_other_threw_the_account_away_is_in_the_conflict_log(pair: Pair) -> None:
    alpha, beta = pair
    begin_purge(pair)
    call(beta, "Ann")
    del alpha.server.users[alpha.user("Ann")]
    pair.settle()
    assert [sorted(side.said()["users"]) for side in pair] == [["SYS_Citadel", "admin"]] * 2
    assert "users" in {one.collection for one in pair.losers()}


def restart_from(side: Side, held: dict[str, object]) -> None:
    """Have a server go on from a backup."""
    side.stop()
    restore(side.server, held)
    side.start()


def test_a_server_restored_from_last_night_has_what_came_and_lacks_what_was_deleted_since(pair: Pair) -> None:
    alpha, beta = pair
    for number in range(3):
        alpha.server.post(1, f"post {number}", name=f"{number}@alpha")
    alpha.server.user(30, "Bob", u_password="bobs")
    alpha.server.room(40, "Doomed")
    pair.settle()
    last_night = backup(beta.server)
    alpha.server.post(1, "late", name="late@alpha")
    alpha.server.delete(1, alpha.server.lists[1][0])
    alpha.server.users[2]["u_password"] = "new"
    del alpha.server.users[30], alpha.server.rooms[40], alpha.server.lists[40]
    beta.server.post(1, "late, too", name="late@beta")
    pair.settle()
    expected = alpha.said()
    restart_from(beta, last_night)
    pair.settle()
    assert beta.following.state.another
    assert alpha.said() == expected
    assert [name for name, _ in beta.texts(1)] == ["1@alpha", "2@alpha", "late@alpha", "late@beta"]


def test_very_many_deletions_at_a_restored_server_wait_until_they_are_approved(pair: Pair) -> None:
    alpha, beta = pair
    for number in range(20):
        alpha.server.post(1, f"post {number}", name=f"{number:02}@alpha")
    pair.settle()
    last_night = backup(beta.server)
    for some in (8, 7):  # few enough each time
        for number in alpha.server.lists[1][:some]:
            alpha.server.delete(1, number)
        alpha.server.post(1, "one more", name=f"more-{some}@alpha")
        pair.settle()
    restart_from(beta, last_night)
    pair.rest()
    assert (len(beta.server.lists[1]), beta.following.state.held_there) == (22, {"messages/alpha:1": 15})
    beta.following.approve()
    pair.settle()
    assert len(beta.texts(1)) == 7


# -- nodes and servers that die -----------------------------------------------------------------------


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


def test_an_item_that_a_killed_server_has_again_as_it_was_before_it_was_replaced_is_the_new_one(
    make_store: Make, tmp_path: Path
) -> None:
    """The node is cut off once it has replaced the item, and again once it has seen that; its look is an export."""
    with a_pair(make_store, tmp_path, export_s=ALL_S) as pair:
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


def test_what_is_newest_and_gone_from_a_server_that_was_not_started_again_was_deleted(pair: Pair) -> None:
    beta = pair.beta
    beta.server.post(1, "new", name="new@beta")
    pair.settle()
    beta.server.delete(1, beta.server.lists[1][-1])
    beta.stop()
    beta.start()
    pair.settle()
    assert [side.texts(1) for side in pair] == [[], []]
