"""What is put together from a server's answers: partial elements of an export, and nothing that was not told."""

from mirror.citadel.meaning.configuration import Holding
from mirror.citadel.migr.put_together import NOTHING_HELD, Held, put_together
from mirror.citadel.protocol.answers import RoomLine, ToldRoom, ToldUser
from mirror.formats.migr import Element, read_elements

NOTHING = Held()
LINE = RoomLine(1795572704, b"2|0")
USERS = [
    ToldUser(b"200 Ann & <Co>|pw|10768|3|0|4|2|1795964921|30", [b"ann@alpha", b"a@alpha"]),
    ToldUser(b"570 No such user.", []),
]


def room(number: int, parameters: str, aide: str = "") -> ToldRoom:
    return ToldRoom(number, f"200 {parameters}|".encode(), f"200 {aide}".encode(), b"200 2|5", b"200 3|9")


def told(
    rooms: dict[bytes, ToldRoom],
    held: Held = NOTHING,
    floors: tuple[bytes, ...] = (),
    holding: Holding = NOTHING_HELD,
) -> dict[str, list[dict]]:
    blocks = put_together(
        [b"c_nodename|alpha", b"c_humannode|A & B"],
        {name: (one, LINE) for name, one in rooms.items()},
        USERS,
        floors,
        held,
        holding,
    )
    found: dict[str, list[dict]] = {}
    for item in read_elements(blocks):
        assert isinstance(item, Element), item
        found.setdefault(item.name, []).append({**item.children, **({item.key: item.text} if item.key else {})})
    return found


def test_a_user_is_what_the_account_and_the_addresses_tell_and_who_is_refused_is_none() -> None:
    (user,) = told({})["user"]
    assert user == {
        "u_fullname": "Ann & <Co>", "u_password": "pw", "u_flags": "10768", "u_axlevel": "4", "u_usernum": "2",
        "u_lastcall": "1795964921", "u_USuserpurge": "30", "u_emailaddrs": "ann@alpha|a@alpha",
    }  # fmt: skip
    assert told({})["config"] == [{"c_nodename": "alpha"}, {"c_humannode": "A & B"}]


def test_a_user_who_is_not_held_yet_has_what_each_new_one_has() -> None:
    def user(held: Held) -> dict:
        blocks = put_together([], {}, USERS, [], held, born_with={b"u_uid": b"9"})
        (told,) = (one for one in read_elements(blocks) if isinstance(one, Element) and one.name == "user")
        return told.children

    assert user(NOTHING)["u_uid"] == "9"
    assert "u_uid" not in user(Held({2: "Ann"}))


def test_what_users_and_rooms_hold_is_told_where_it_is_known_and_lists_just_of_rooms_of_configuration() -> None:
    holding = Holding({2: {b"u_msgnum_bio": 7}}, {5: {b"msgnum_pic": 9}}, {b"Configuration": [7, 9]})
    rooms = {b"Configuration": room(5, "Configuration|||0|0|0|0|0"), b"Talk": room(6, "Talk|||0|0|0|0|0")}
    found = told(rooms, holding=holding)
    (user,) = found["user"]
    assert (user["u_msgnum_bio"], user["u_msgnum_pic"], user["u_msgnum_inboxrules"]) == ("7", "0", "0")
    configuration, talk = found["room"]
    assert (configuration["msgnum_info"], configuration["msgnum_pic"]) == ("0", "9")
    assert "msgnum_pic" not in talk
    assert found["room_messages"] == [{"FRname": "Configuration", "FRmsglist": "7,9"}]


def test_a_room_tells_a_password_and_a_directory_only_as_far_as_they_are_not_cut() -> None:
    rooms = told(
        {
            b"Vault": room(3, "Vault|sesame||14|1|64|0|0", "Ann & <Co>"),
            b"Long": room(4, "Long|123456789|abcdefghijklmn|46|0|64|0|0"),
            b"Drop": room(5, "Drop||drop|34|0|64|3|1"),
        }
    )["room"]
    assert rooms[0] == {
        "QRname": "Vault", "QRnumber": "3", "QRmtime": "1795572704", "QRflags": "14", "QRfloor": "1", "QRorder": "64",
        "QRdefaultview": "0", "QRflags2": "0", "QRpasswd": "sesame", "QRroomaide": "2",
        "QRexpire_mode": "2", "QRexpire_value": "5",
    }  # fmt: skip
    assert not {"QRpasswd", "QRdirname"} & rooms[1].keys()
    assert (rooms[2]["QRdirname"], rooms[2]["QRpasswd"], rooms[2]["QRdefaultview"]) == ("drop", "", "3")


def test_an_aide_is_told_by_number_or_as_nobody_and_not_at_all_who_was_just_given_another_name() -> None:
    names = ("Ann & <Co>", "", "Anna")
    found = [told({b"Lobby": room(1, "Lobby|||2|0|0|0|0", name)})["room"][0].get("QRroomaide") for name in names]
    assert found == ["2", "-1", None]


def test_a_floors_flags_are_told_only_where_it_came_into_use_or_went_out_of_it() -> None:
    floors = told({b"A": room(1, "A|||2|1|0|0|0")}, Held(floors={0, 1, 3}), (b"0|Main|5", b"1|First|1", b"2|New|0"))[
        "floor"
    ]
    assert [floor.get("f_flags") for floor in floors] == [None, None, "1", "0", *[None] * 12]
    assert floors[1] == {"f_num": "1", "f_name": "First", "f_ep_expire_mode": "3", "f_ep_expire_value": "9"}
    assert floors[3] == {"f_num": "3", "f_flags": "0"}
