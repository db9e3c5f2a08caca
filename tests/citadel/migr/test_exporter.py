"""An export of what is here brings the same into another mirror: recordings, two servers in one, and made-up stores."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from exports import small_export
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.citadel.looks.remembered import Remembered, place_of, remember
from mirror.citadel.migr.exporter import Exporter
from mirror.citadel.migr.importer import Importer
from mirror.citadel.migr.places import Step
from mirror.citadel.migr.things import WHOLE, Part
from mirror.formats.message import MIME, serialize_message
from mirror.model.fields import fields_at, values_of
from mirror.model.keys import MESSAGE_PREFIX
from mirror.model.record import Record, pack_head, unpack_head
from mirror.store.base import Backend, Store
from mirror.store.open import Memory, Options, open_in_memory
from mirror.store.sqlite.store import SqliteStore

Make = Callable[..., SqliteStore]
RECORDINGS = Path(__file__).parents[2] / "recordings"


def recorded_902() -> bytes:
    lines = (RECORDINGS / "902-03-migr-export.txt").read_text("utf-8").splitlines()
    return "".join(line[3:] + "\n" for line in lines if line.startswith("s: ")).encode()


def imported(store: Store, data: bytes, source: str = "x") -> None:
    report = Importer(store, source).run([data])
    assert report.refused == [] and not report.truncated


def exported(store: Store, part: Part = WHOLE, **options: Any) -> tuple[bytes, Exporter]:
    exporter = Exporter(store, "m", part, **options)
    data = b"".join(exporter.blocks())
    assert max(map(len, data.splitlines())) < 4000
    return data, exporter


def records(store: Store) -> dict[tuple[str, str], Record]:
    def job(reader) -> dict[tuple[str, str], Record]:
        names = reader.collections("")
        return {(name, record.key): record for name in names for record in reader.scan_all(name)}

    return store.read(job)


def test_an_export_of_the_recording_brings_the_same_records_to_the_byte(make_store: Make, export: Path) -> None:
    first, second = make_store("m"), make_store("m")
    imported(first, export.read_bytes())
    data, exporter = exported(first)
    imported(second, data)
    one, other = records(first), records(second)
    lines = ("netconf/alpha:32", "netconf")
    # How far the room's list was sent is all that there was to be sent: nothing is mailed again.
    assert unpack_head(other.pop(lines).head).pop("last_sent") > 83 and one.pop(lines)
    assert other == one
    assert list(exporter.given()) == [] and exporter.report.notices == []
    assert exporter.report.server == "alpha"


def test_an_export_of_902_brings_the_same_records(make_store: Make) -> None:
    first, second = make_store("m"), make_store("m")
    imported(first, recorded_902())
    imported(second, exported(first)[0])
    one, other = records(first), records(second)
    # 902 keeps it as a message of its own time, 980 as a setting, which has none.
    setting = ("config", "application/x-citadel-ignet-config")
    assert values_of(one.pop(setting)) == values_of(other.pop(setting))
    assert other == one


def test_the_root_is_closed_and_the_whole_is_xml(make_store: Make, export: Path) -> None:
    from xml.etree import ElementTree

    store = make_store("m")
    imported(store, export.read_bytes())
    data, exporter = exported(store)
    tree = ElementTree.fromstring(data)
    counts = {name: len(tree.findall(name)) for name in ("user", "room", "floor", "visit", "message")}
    assert counts == {name: exporter.report.elements[name] for name in counts}
    assert tree[-1].tag == "progress" and tree[-1].text == "100"


def test_counters_are_above_all_that_ever_was(make_store: Make) -> None:
    store = make_store("m")
    imported(store, small_export())

    def job(writer) -> None:
        last = Remembered("1690000000", 500, looked=True)
        remember(writer, place_of("alpha"), last)
        writer.set_fields("rooms", "alpha:77", {"QRname": "gone"})
        writer.delete("rooms", "alpha:77")
        writer.set_fields("users", "alpha:9", {"u_fullname": "gone"})
        writer.delete("users", "alpha:9")

    store.write(job)
    data, _ = exported(store)
    found = dict(re.findall(rb'<config key="(MM\w+)">(\d+)<', data))
    assert int(found[b"MMhighest"]) >= 500 and int(found[b"MMnextuser"]) == 9
    assert int(found[b"MMnextroom"]) > 77
    assert b"<QRnumber>1</QRnumber>" in data and b"<u_usernum>2</u_usernum>" in data


def test_a_server_made_of_it_does_not_take_itself_for_a_new_one(make_store: Make) -> None:
    """One without an upgrade level gives its administrator the first password at its next start."""
    store = make_store("m")
    imported(store, small_export())
    assert b'<config key="MM_hosted_upgrade_level">980</config>' in exported(store)[0]


def test_a_server_made_of_it_brings_nothing_twice_into_the_mirror(make_store: Make, export: Path) -> None:
    store = make_store("m")
    imported(store, export.read_bytes())
    before = records(store)
    report = Importer(store, "the server made anew").run([exported(store)[0]])
    assert (report.applied.conflicts, report.deleted, report.held) == (0, 0, [])
    written = {key for key, record in records(store).items() if before.get(key) != record}
    assert written <= {("netconf/alpha:32", "netconf")}, "how far its list was sent, at most"
    assert records(store).keys() == before.keys()


def test_a_set_of_one_number_is_not_read_as_all_up_to_it(make_store: Make) -> None:
    store = make_store("m")
    imported(store, small_export("10,11,12", seen="12", count=3))
    data, _ = exported(store)
    assert b"<v_seen>12:12</v_seen>" in data
    store = make_store("m")
    imported(store, small_export("10", seen="10", count=1))
    assert b"<v_seen>10</v_seen>" in exported(store)[0], "all up to it is just that"


def test_marks_made_here_are_in_the_sets(make_store: Make) -> None:
    store = make_store("m")
    imported(store, small_export("10,11,12", seen="10:11", count=3))
    store.write(lambda writer: writer.set_fields("visits/alpha:1", "alpha:2 id:11@example", {"seen": False}))
    store.write(lambda writer: writer.set_fields("visits/alpha:1", "alpha:2 id:12@example", {"answered": True}))
    data, _ = exported(store)
    assert b"<v_seen>10:10</v_seen>" in data and b"<v_answered>12</v_answered>" in data


def test_what_is_mailed_to_a_list_begins_behind_all_there_is(make_store: Make) -> None:
    import base64

    lines = base64.b64encode(b"listrecp|a@example.org\n").decode()
    setting = f'<config key="c_netconfig_0000000001">{lines}</config>\n<user>'.encode()
    store = make_store("m")
    imported(store, small_export().replace(b"<user>", setting, 1))
    (text,) = re.findall(rb"c_netconfig_0000000001\">(.*?)<", exported(store)[0])
    assert base64.b64decode(text) == b"lastsent|11\nlistrecp|a@example.org\n"


def test_rules_are_not_applied_to_what_was_in_a_mailbox(make_store: Make) -> None:
    store = make_store("m")
    imported(store, small_export())
    assert b"<u_lastproc_inboxrules>11</u_lastproc_inboxrules>" in exported(store)[0]


def test_a_mailbox_of_a_user_who_is_gone_is_there_still_and_no_visit_is(make_store: Make, export: Path) -> None:
    store, again = make_store("m"), make_store("m")
    data = export.read_bytes()
    gone = re.sub(rb"<user>(?:(?!</user>).)*<u_usernum>2</u_usernum>.*?</user>\n", b"", data, count=1, flags=re.DOTALL)
    imported(store, gone)
    imported(again, exported(store)[0])
    rooms = [values_of(one)["QRname"] for (kind, _), one in records(again).items() if kind == "rooms"]
    assert "0000000002.Mail" in rooms
    one, other = ({key: values_of(record) for key, record in records(held).items() if key[0].startswith("visits/")}
                  for held in (store, again))  # fmt: skip
    assert one == other and one and not any(user.startswith("alpha:2") for _, user in one)
    assert b"0000000002.Mail" not in exported(store, Part(users=["Bob*"]))[0]


# -- two servers in one store -----------------------------------------------------------------------------


def two_servers(make_store: Make) -> SqliteStore:
    store = make_store("m")
    imported(store, small_export(seen="10"))
    beta = small_export(seen="11").replace(b">alpha<", b">beta<").replace(b"@example", b"@beta")
    mailbox = (
        b"<room>\n<QRname>0000000002.Mail</QRname><QRgen>5</QRgen><QRflags>16390</QRflags><QRnumber>3</QRnumber>"
        b"<QRmtime>1690000200</QRmtime>\n</room>\n<room_messages><FRname>0000000002.Mail</FRname>"
        b"<FRmsglist>10</FRmsglist></room_messages>\n"
    )
    imported(store, re.sub(rb"(</room_messages>\n)<visit>", rb"\1" + mailbox + b"<visit>", beta), "beta")
    return store


def test_two_servers_numbers_are_one_series_with_names_apart(make_store: Make) -> None:
    store = two_servers(make_store)
    data, exporter = exported(store)
    assert exporter.report.server in ("alpha", "beta")
    main, other = ("alpha", "beta") if exporter.report.server == "alpha" else ("beta", "alpha")
    numbers = re.findall(rb"<QRnumber>(\d+)<", data)
    assert len(numbers) == len(set(numbers))
    names = re.findall(rb"<QRname>(.*?)<", data)
    assert len(names) == len({name.lower() for name in names})
    assert {b"Lobby", b"Lobby (%s)" % other.encode()} <= set(names)
    messages = re.findall(rb"<msg_msgnum>(\d+)<", data)
    assert sorted(map(int, messages)) == sorted(set(map(int, messages))) and len(messages) >= 2
    given = {(one.kind, one.key): one for one in exporter.given()}
    assert given["rooms", f"{other}:1"].name == f"Lobby ({other})"
    assert ("rooms", f"{main}:1") not in given
    assert exporter.number_of("users", f"{main}:2") == 2 != exporter.number_of("users", f"{other}:2")


def test_rooms_of_one_server_may_share_a_directory_and_those_of_two_do_not(make_store: Make) -> None:
    store = two_servers(make_store)

    def job(writer) -> None:
        for room in ("alpha:1", "beta:1", "beta:3"):
            writer.set_fields("rooms", room, {"QRdirname": "docs"})
        writer.set_fields("rooms", "alpha:5", {"QRname": "Other", "QRflags": "2", "QRdirname": "docs"})

    store.write(job)
    store.write(lambda writer: writer.set_fields("config", "c_nodename", {"value": "alpha"}))
    data, exporter = exported(store)
    found = dict(re.findall(rb"<QRname>([^<]*)</QRname>(?:(?!</room>).)*?<QRdirname>(\w+)<", data, re.DOTALL))
    assert found[b"Lobby"] == found[b"Other"] == b"docs"
    others = [directory for name, directory in found.items() if name not in (b"Lobby", b"Other")]
    assert len(set(others)) == 2 and all(re.fullmatch(rb"room\d+", one) for one in others)
    assert sum("'docs' is taken" in notice for notice in exporter.report.notices) == 2


def test_two_servers_come_back_with_their_rooms_mailboxes_and_marks(make_store: Make) -> None:
    store = two_servers(make_store)
    data, exporter = exported(store)
    again = make_store("m")
    imported(again, data)
    main, old, new = exporter.report.server, records(store), records(again)
    places = {key: f"{main}:{exporter.number_of('rooms', key)}" for kind, key in old if kind == "rooms"}
    users = {key: f"{main}:{exporter.number_of('users', key)}" for kind, key in old if kind == "users"}
    assert len(set(places.values())) == 3 and len(set(users.values())) == 2
    for (collection, key), record in old.items():
        kind, _, room = collection.partition("/")
        if kind == "messages":
            assert new[f"messages/{places[room]}", key].body == record.body
        if kind == "visits" and " " in key:
            user, _, message = key.partition(" ")
            assert values_of(new[f"visits/{places[room]}", f"{users[user]} {message}"]) == values_of(record)
    mailbox = values_of(new["rooms", places["beta:3"]])
    assert mailbox["QRname"] == f"{exporter.number_of('users', 'beta:2'):010d}.Mail"


def test_a_part_has_the_rooms_and_users_that_were_named(make_store: Make, export: Path) -> None:
    store = make_store("m")
    imported(store, export.read_bytes())
    data, _ = exported(store, Part(rooms=["Supp*"], users=["alice*"]))
    names = set(re.findall(rb"<QRname>(.*?)<", data))
    assert {name for name in names if not name.startswith(b"0000000002.")} == {
        b"Support",
        b"Local System Configuration",
    }
    assert b"0000000002.Mail" in names
    assert re.findall(rb"<u_fullname>(.*?)<", data) == [b"Alice Liddell"]
    assert {int(one) for one in re.findall(rb"<v_usernum>(\d+)<", data)} == {2}
    imported(make_store("m"), data)


def test_it_tells_how_far_it_has_come(make_store: Make, export: Path) -> None:
    store = make_store("m")
    imported(store, export.read_bytes())
    exporter, steps = Exporter(store, "m"), list[Step]()
    exporter.tell(steps.append)
    written = sum(block.startswith(b"<message>") for block in exporter.blocks())
    assert steps[-1] == Step("messages", written, written) and written > 80
    assert "numbering" in {step.what for step in steps}


def test_for_a_server_what_its_import_does_not_link_is_left_out(make_store: Make, export: Path) -> None:
    store = make_store("m")
    imported(store, export.read_bytes())
    data, _ = exported(store, for_server=True, settings={"c_port_number": "5555", "MMhighest": "1"})
    assert b'<config key="c_port_number">5555<' in data and b'<config key="MMhighest">1<' not in data
    assert set(re.findall(rb"<msgnum_(?:info|pic)>(\d+)<", data)) == {b"0"}


# -- made-up stores ---------------------------------------------------------------------------------------

PLACES = st.sampled_from(["alpha", "alpha", "beta", "m"])
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="|."), min_size=1, max_size=9)


class Post(msgspec.Struct):
    """A message of a made-up store: the number of its room, its id, text, number there, and who marked it how."""

    room: int
    id: int
    text: str
    number: int
    marks: dict[int, str]


class World(msgspec.Struct):
    """A made-up store: users and rooms by place and name."""

    users: list[tuple[str, str]]
    rooms: list[tuple[str, str, int]]
    posts: list[Post]


POSTS = st.builds(
    Post,
    st.integers(0, 5),
    st.integers(0, 9),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    st.integers(0, 5),
    st.dictionaries(st.integers(0, 3), st.sampled_from(["seen", "answered"]), max_size=3),
)
WORLDS = st.builds(
    World,
    st.lists(st.tuples(PLACES, NAMES), min_size=1, max_size=4),
    st.lists(st.tuples(PLACES, NAMES, st.integers(-3, 3)), min_size=1, max_size=6),
    st.lists(POSTS, max_size=12),
)


def keys_of(things: list[Any]) -> list[str]:
    return [f"{thing[0]}:{number + 1}" for number, thing in enumerate(things)]


def message(**fields: str) -> bytes:
    return serialize_message([(letter, text.encode()) for letter, text in fields.items()], MIME)


def make(world: World) -> Backend:
    store = open_in_memory(Memory(), "m", Options(durable=False))
    users, rooms = keys_of(world.users), keys_of(world.rooms)

    def job(writer) -> None:
        for key, (_, name) in zip(users, world.users, strict=True):
            fields = {"u_fullname": name, "u_usernum": key.rpartition(":")[2], "u_axlevel": "4"}
            writer.set_fields("users", key, fields)
            writer.put(Record("bios", key, 1, "", 1, body=message(I=key, M=key)))
        for key, (place, name, owner) in zip(rooms, world.rooms, strict=True):
            of_place = [user for user in users if user.startswith(f"{place}:")]
            stored, flags = name, "2"
            if owner >= 0 and of_place:
                stored, flags = f"{int(of_place[owner % len(of_place)].rpartition(':')[2]):010d}.{name}", "16390"
            fields = {"QRname": stored, "QRflags": flags, "QRnumber": key.rpartition(":")[2], "QRgen": "7"}
            writer.set_fields("rooms", key, fields)
        for post in world.posts:
            put_post(writer, post, users, rooms[post.room % len(rooms)])

    store.write(job)
    return store


def put_post(writer, post: Post, users: list[str], room: str) -> None:
    body = message(I=f"{post.id}@x", T="1690000000", M=post.text)
    key = f"{MESSAGE_PREFIX}{post.id}@x"
    head = pack_head({"msg_msgnum": str(post.number)}) if post.number else b""
    writer.put(Record(f"messages/{room}", key, 1, "", 1, head=head, body=body))
    for user, mark in post.marks.items():
        head = fields_at({mark: True}, 1, "m")
        writer.put(Record(f"visits/{room}", f"{users[user % len(users)]} {key}", 1, "", 1, head=head))


@settings(max_examples=60)
@given(WORLDS)
def test_a_made_up_store_comes_back_whatever_is_in_it(world: World) -> None:
    store = make(world)
    data, exporter = exported(store)
    again = open_in_memory(Memory(), "m", Options(durable=False))
    imported(again, data)
    old, new, main = records(store), records(again), exporter.report.server

    def there(kind: str, key: str) -> str:
        return f"{main}:{exporter.number_of(kind, key)}"

    for (collection, key), record in old.items():
        kind, _, room = collection.partition("/")
        if kind == "users":
            assert values_of(new[kind, there(kind, key)])["u_axlevel"] == "4"
        elif kind == "rooms":
            assert values_of(new[kind, there(kind, key)])["QRflags"] == values_of(record)["QRflags"]
        elif kind == "bios":
            assert new[kind, there("users", key)].body == record.body
        elif kind == "messages":
            assert new[f"messages/{there('rooms', room)}", key].body == record.body
    assert marks(new, lambda _kind, key: key) == marks(old, there)
    assert sum(name.startswith("messages/") for name, _ in new) == sum(name.startswith("messages/") for name, _ in old)
    store.close()
    again.close()


def marks(held: dict[tuple[str, str], Record], named: Callable[[str, str], str]) -> set[tuple[str, str, str, str]]:
    """Return all marks: user, room and message, and which mark it is."""
    found = set()
    for (collection, key), record in held.items():
        kind, _, room = collection.partition("/")
        user, _, message = key.partition(" ")
        if kind == "visits" and message:
            said = [mark for mark, value in values_of(record).items() if value]
            found |= {(named("users", user), named("rooms", room), message, mark) for mark in said}
    return found
