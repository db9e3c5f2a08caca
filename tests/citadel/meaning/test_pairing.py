"""What of two servers is one: what each of them has by itself, and what somebody consents to; nothing twice."""

from hypothesis import given
from hypothesis import strategies as st

from mirror.citadel.meaning.keys import Keys, Pair
from mirror.citadel.meaning.pairing import (
    ADDRESS_BOOK,
    MAX_NAMES,
    ROLES,
    Consent,
    Held,
    Here,
    Pairing,
    There,
    pair,
    reduced,
)

ROOMS_OF_ALL = {**ROLES, ADDRESS_BOOK: ADDRESS_BOOK}
ALL = Consent(["*"], ["*"])


def there(users=(), rooms=(), floors=(), **roles: str) -> There:
    numbered = [dict(enumerate(names, 1)) for names in (users, rooms, floors)]
    return There(*numbered, {**ROOMS_OF_ALL, **roles})


def here(users=(), rooms=(), floors=(), node: str = "alpha", **roles: str) -> Here:
    """Users and rooms of another server, numbered from 11; a room named so is the mailbox of the user it names."""
    people = [Held(f"{node}:{number}", name, number) for number, name in enumerate(users, 11)]
    places = []
    for number, name in enumerate(rooms, 11):
        digits, dot, _ = name.partition(".")
        places.append(Held(f"{node}:{number}", name, owner=f"{node}:{int(digits)}" if dot and digits.isdigit() else ""))
    return Here(people, places, [Held(str(number), name) for number, name in enumerate(floors, 11)], roles)


def matched(pairing: Pairing, kind: str) -> list[tuple[int, str]]:
    return [(one.there, one.key) for one in pairing.pairs if one.kind == kind]


def test_rooms_that_each_server_has_are_one_by_what_they_are_for() -> None:
    told = pair(
        "beta",
        there(rooms=["Foyer", "Aide", "Trashcan", "Talk", ADDRESS_BOOK], c_baseroom="Foyer"),
        here(rooms=["Lobby", "Aide", "Foyer", "Talk", ADDRESS_BOOK]),
        Consent(),
    )
    assert matched(told, "rooms") == [(1, "alpha:11"), (2, "alpha:12"), (5, "alpha:15")]
    assert [(one.there, one.here, one.why) for one in told.alike] == [("Talk", "Talk", "nobody agreed to it")]
    assert (told.only_there["rooms"], told.only_here["rooms"]) == (2, 2)


def test_users_are_one_only_where_somebody_agreed_and_their_folders_with_them() -> None:
    one = there(users=["admin", "Ann"], rooms=["0000000002.Mail", "0000000002.Notes", "0000000001.Mail"])
    other = here(users=["Ann", "admin"], rooms=["0000000011.Mail", "0000000012.Mail", "0000000011.Old"])
    none = pair("beta", one, other, Consent())
    assert none.pairs == []
    assert [match.there for match in none.alike] == ["admin", "Ann"]
    ann = pair("beta", one, other, Consent(["ann"]))
    assert matched(ann, "users") == [(2, "alpha:11")]
    assert matched(ann, "rooms") == [(1, "alpha:11")]
    assert ann.pairs[0].number == 11
    assert matched(pair("beta", one, other, ALL), "rooms") == [(1, "alpha:11"), (3, "alpha:12")]


def test_names_that_a_server_takes_for_one_are_named_and_stay_two() -> None:
    told = pair(
        "beta",
        there(users=["Gus Gr n", "O'Neil"], rooms=["TALK"]),
        here(users=["Gus Grün", "oneil"], rooms=["talk"]),
        ALL,
    )
    assert [(one.there, one.here, one.why) for one in told.alike] == [
        ("Gus Gr n", "Gus Grün", "a server takes both names for one"),
        ("O'Neil", "oneil", "a server takes both names for one"),
    ]
    assert matched(told, "rooms") == [(1, "alpha:11")]
    assert reduced("users", "Zoë Müller") == reduced("users", "Zo-Mller") == "zomller"
    assert reduced("users", "<!>") == "<!>"
    assert reduced("rooms", "ZoË-Müller") == "zoË-müller"
    assert reduced("users", "x" * 80) == "x" * 63


def test_of_names_that_differ_in_case_beyond_ascii_each_is_one_with_its_own() -> None:
    told = pair("beta", there(rooms=["über", "Über"]), here(rooms=["Über", "über"]), ALL)
    assert matched(told, "rooms") == [(1, "alpha:12"), (2, "alpha:11")]


def test_what_is_not_paired_is_named_but_for_mailboxes_and_no_more_than_so_much() -> None:
    some = [f"user {number:03d}" for number in range(MAX_NAMES + 1)]
    told = pair("beta", there(users=["Ann"], rooms=["b", "A", "0000000001.Mail", "\udcff"]), here(users=some), ALL)
    assert (told.names_there["users"], told.names_there["rooms"]) == (["Ann"], ["A", "b", "\ufffd"])
    assert (told.only_there["rooms"], told.only_here["users"]) == (4, MAX_NAMES + 1)
    assert (told.names_here["users"], told.names_here["rooms"]) == (some[:MAX_NAMES], [])


def test_floors_are_one_by_name_and_nothing_is_that_came_from_there() -> None:
    told = pair("beta", there(floors=["Sales", "Main Floor"]), here(floors=["Main Floor", "Plant"]), Consent())
    assert matched(told, "floors") == [(2, "11")]
    own = here(users=["x"] * 0, rooms=["Lobby", "Aide"])
    back = Here([Held("beta:1", "Ann", 1)], own.rooms, [], {})
    told = pair("beta", there(users=["Ann"]), back, ALL)
    assert (told.pairs, told.alike, told.only_there["users"], told.only_here["users"]) == ([], [], 0, 0)


NAMES = st.lists(
    st.sampled_from(["Lobby", "Aide", "LOBBY", "Talk", "é", "0000000001.Mail", "0000000011.Mail", "0000000002.x"]),
    unique=True,
)
PEOPLE = st.lists(st.sampled_from(["Ann", "ANN", "Bob", "Gün", "G n"]), unique=True)


@given(PEOPLE, NAMES, PEOPLE, NAMES, st.sampled_from([Consent(), Consent(["ann"]), ALL]))
def test_nothing_is_paired_twice_and_all_is_counted(users, rooms, held_users, held_rooms, consent) -> None:
    one, other = there(users, rooms, ["Main"]), here(held_users, held_rooms, ["Main", "Attic"])
    told = pair("beta", one, other, consent)
    for kind, mine, its in (("users", users, held_users), ("rooms", rooms, held_rooms), ("floors", "1", "12")):
        found = matched(told, kind)
        assert len({number for number, _ in found}) == len({key for _, key in found}) == len(found)
        assert told.only_there[kind] == len(mine) - len(found)
        assert told.only_here[kind] == len(its) - len(found)
    # A mailbox is paired with its owner's alone, and a room with no mailbox.
    keys = Keys.of("beta", told.pairs)
    names = {room.key: room.name for room in other.rooms}
    for number, key in matched(told, "rooms"):
        assert keys.room_name(one.rooms[number]).lower() == names[key].lower() or "." not in names[key]
        assert keys.room(number, one.rooms[number]) == key


# -- keys ---------------------------------------------------------------------------------------------

PAIRED = Keys.of("beta", [Pair("users", 3, "alpha:5", 5), Pair("rooms", 1, "alpha:1"), Pair("floors", 0, "0")])


def test_a_server_that_is_not_paired_keeps_its_numbers() -> None:
    keys, fields = Keys("beta"), {"QRname": "0000000003.Mail", "QRroomaide": "3", "QRfloor": "1"}
    assert (keys.user(3), keys.room(7, "0000000003.Mail"), keys.floor(1)) == ("beta:3", "beta:7", "1")
    assert keys.room_fields(fields, "beta:7") == fields


def test_a_folder_of_a_paired_user_is_one_of_that_user_under_a_key_of_its_own() -> None:
    key = PAIRED.room(7, "0000000003.Archive")
    assert key == "alpha:beta.7"
    said = PAIRED.room_fields({"QRname": "0000000003.Archive", "QRroomaide": "3", "QRfloor": "0"}, key)
    assert said == {"QRname": "0000000005.Archive", "QRroomaide": "5", "QRfloor": "0"}


def test_an_aide_who_is_nobody_among_the_users_of_a_rooms_own_server_is_nobody() -> None:
    lobby, own = PAIRED.room(1, "Lobby"), PAIRED.room(9, "Talk")
    assert (lobby, own) == ("alpha:1", "beta:9")
    assert [PAIRED.aide(number, lobby) for number in (3, 4)] == [5, 0]
    assert [PAIRED.aide(number, own) for number in (3, 4)] == [0, 4]
    assert PAIRED.room_fields({"QRname": "Talk", "QRfloor": "2", "QRroomaide": "-1"}, own) == {
        "QRname": "Talk", "QRfloor": "beta:2", "QRroomaide": "-1",
    }  # fmt: skip
