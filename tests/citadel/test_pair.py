"""Two made-up servers that are kept equal by two nodes: what is done on both at once is one in the end."""

from collections.abc import Callable
from pathlib import Path

from made_pair import Pair, a_pair, event

from mirror.citadel.meaning.keys import Pair as KeyPair
from mirror.model.fields import fields_at, values_of
from mirror.model.record import Record
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]


def test_what_is_posted_on_either_is_on_both(pair: Pair) -> None:
    pair.alpha.server.post(1, "from alpha", name="a@alpha")
    pair.beta.server.post(1, "from beta", name="b@beta")
    pair.settle()
    assert pair.alpha.texts(1) == [("a@alpha", "from alpha"), ("b@beta", "from beta")]


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


def test_who_takes_the_last_read_mark_back_has_read_nothing_on_the_other_where_all_was_read(pair: Pair) -> None:
    alpha, beta = pair
    for text in ("one", "two"):
        alpha.server.post(1, text, name=f"{text}@alpha")
    pair.settle()
    beta.server.read_all(1, beta.user("Ann"), beta.server.lists[1][-1])
    pair.settle()
    assert len(alpha.server.marked(1, 2, "v_seen")) == 2
    for number in alpha.server.lists[1]:
        alpha.server.mark(1, 2, "v_seen", str(number), on=False)
        alpha.server.users[2]["u_lastcall"] = str(alpha.server.now)
        pair.settle()
    assert not beta.server.marked(1, beta.user("Ann"), "v_seen")


def test_of_access_of_somebody_of_whom_nobody_knows_is_told_and_all_comes_to_rest(pair: Pair) -> None:
    """It names a user who was renamed or deleted since; a server lists itself, too, under the number 0."""
    beta = pair.beta
    beta.server.settings["c_aideroom"] = "Aide"
    pair.settle()
    beta.server.tell("User Admin Message", 'Somebody has been invited to "Talk" by admin.')
    pair.settle()
    assert not beta.following.state.behind


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


# -- done on one while the other does something else --------------------------------------------------


def test_what_is_moved_on_one_while_it_is_deleted_on_the_other_is_moved(pair: Pair) -> None:
    alpha, beta = pair
    number = alpha.server.post(1, "wanted", name="w@alpha")
    pair.settle()
    alpha.server.move(1, 2, number)
    beta.server.delete(1, beta.server.lists[1][0])
    pair.settle()
    assert [(side.texts(1), side.texts(2)) for side in pair] == [([], [("w@alpha", "wanted")])] * 2


def test_what_is_moved_into_two_rooms_at_once_is_in_both(pair: Pair) -> None:
    alpha, beta = pair
    number = alpha.server.post(1, "moved", name="m@alpha")
    alpha.server.room(60, "Here")
    alpha.server.room(61, "There")
    pair.settle()
    alpha.server.move(1, 60, number)
    beta.server.move(1, beta.number("There"), beta.server.lists[1][0])
    alpha.look()
    beta.look()
    pair.settle()
    found = {name: alpha.texts(alpha.number(name)) for name in ("Lobby", "Here", "There")}
    assert found == {"Lobby": [], "Here": [("m@alpha", "moved")], "There": [("m@alpha", "moved")]}


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
