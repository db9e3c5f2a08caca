"""Single rooms shared between servers of their own: four nodes, different rules for each room."""

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from nodes import NodeProcess, wait_for

from mirror.cli.local import body_of
from mirror.cli.names import find_named
from mirror.formats.message import parse_message

Make = Callable[[str], NodeProcess]
EVENT = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//EN
BEGIN:VEVENT
UID:shared-event
DTSTAMP:20260101T000000Z
DTSTART:20261201T100000Z
SUMMARY:Meeting
END:VEVENT
END:VCALENDAR
"""


def server(node: Make, name: str, directory: Path, rooms: dict[str, int]) -> NodeProcess:
    """Return a node with the data of a server of that name, which has these rooms with as many messages each."""
    one = node(name)
    one.run("import", str(make_server(directory / f"{name}.xml", name, rooms)))
    return one


def make_server(path: Path, name: str, rooms: dict[str, int]) -> Path:
    """Write the export of a server with one user and these rooms."""
    from exports import HEADER, ROOM, USER

    text = HEADER.replace(">big<", f">{name}<") + USER.format(n=1)
    number = 1
    messages: list[str] = []
    for at, (room, count) in enumerate(rooms.items(), 1):
        numbers = range(number, number + count)
        number += count
        text += ROOM.format(name=room, n=at)
        listed = ",".join(map(str, numbers))
        text += f"<room_messages>\n<FRname>{room}</FRname>\n<FRmsglist>{listed}</FRmsglist>\n</room_messages>\n"
        messages += [message(name, room, one) for one in numbers]
    path.write_text(text + "".join(messages) + "</citadel_migrate_data>\n000\n")
    return path


def message(server_name: str, room: str, number: int) -> str:
    from base64 import b64encode

    body = (
        f"I{1_700_000_000 + number:08X}-{number:08X}@{server_name}\0PAnn\0T{1_700_000_000 + number}\0"
        f"AAnn of {server_name}\0"
        f"Fann@{server_name}.example.org\0O{room}\0UOld {number}\0MText {number} of {room}\n\0"
    ).encode()
    encoded = b64encode(b"\xffA\0" + body).decode()
    return (
        f"<message>\n<msg_msgnum>{number}</msg_msgnum>\n<msg_meta_refcount>1</msg_meta_refcount>\n"
        f"<msg_text>{encoded}</msg_text>\n</message>\n"
    )


def know_each_other(dialler: NodeProcess, other: NodeProcess, secret: Path) -> None:
    """Make two nodes peers that share rooms; ``other`` runs already."""
    other.run("peer", "add", dialler.name, "--kind", "share", "--trust", dialler.pin, "--secret-file", str(secret))
    other.run("reload")
    dialler.run(
        "peer", "add", other.name, "--kind", "share", "--address", other.address, "--trust", other.pin,
        "--secret-file", str(secret),
    )  # fmt: skip


def texts(node: NodeProcess, room: str) -> list[str]:
    """Return what the messages of a room say, in the order of the alphabet."""
    with node.ask() as remote:
        key, _ = find_named(remote, "rooms", room)
        records = [record for page in remote.newest(f"messages/{key}", 1000) for record in page.records]
        return sorted(parse_message(body_of(remote, record)).text("M").strip() for record in records)


def test_a_room_is_shared_both_ways_under_two_names_and_nothing_else_is(
    node: Make, secret: Path, tmp_path: Path
) -> None:
    alpha = server(node, "alpha", tmp_path, {"Lobby": 3, "Board": 2, "Private": 1})
    beta = server(node, "beta", tmp_path, {"Foyer": 1, "Lobby": 1})
    alpha.start()
    know_each_other(beta, alpha, secret)
    beta.start()
    planned = alpha.json("room", "share", "Lobby", "beta", "--as", "Foyer", "--dry-run")
    assert planned["peers"] == [{"peer": "beta", "sends": 3, "stops": 0, "keeps": 0}]
    assert "is not shared" in alpha.run("room", "show", "Lobby").stdout
    alpha.run("room", "share", "Lobby", "beta", "--as", "Foyer")
    beta.run("room", "share", "Foyer", "alpha", "--as", "Lobby")
    old = [f"Text {number} of Lobby" for number in (1, 2, 3)] + ["Text 1 of Foyer"]
    for one, room in ((alpha, "Lobby"), (beta, "Foyer")):
        wait_for(partial(texts, one, room), sorted(old), one)
    key = alpha.run("post", "Lobby", "news from alpha").stdout.strip()
    beta.run("post", "Foyer", "news from beta")
    news = sorted([*old, "news from alpha", "news from beta"])
    for one, room in ((alpha, "Lobby"), (beta, "Foyer")):
        wait_for(partial(texts, one, room), news, one)
    assert texts(beta, "Lobby") == ["Text 2 of Lobby"]  # a room of the same name that nobody shared
    assert "with its room Lobby" in beta.run("room", "show", "Foyer").stdout
    assert {one["name"] for one in beta.json("user", "list")} == {"User 1"}

    beta.run("delete", "Foyer", key)
    wait_for(lambda: "news from alpha" in texts(alpha, "Lobby"), False, alpha)
    beta.run("room", "rename", "Foyer", "Hall")
    alpha.run("room", "rename", "Lobby", "Entrance")
    alpha.run("post", "Entrance", "after both were renamed")
    wait_for(lambda: "after both were renamed" in texts(beta, "Hall"), True, beta)

    assert "stays here" in alpha.run("room", "unshare", "Entrance", "beta").stdout
    beta.wait_log("Hall: not shared from there yet")
    alpha.run("post", "Entrance", "for us alone")
    beta.run("post", "Hall", "for them alone")
    assert "for them alone" not in texts(alpha, "Entrance")
    assert "for us alone" not in texts(beta, "Hall")
    for one in (alpha, beta):
        assert "no problems" in one.run("check").stdout


@pytest.mark.parametrize("both_dial", [False, True])
def test_a_share_goes_on_after_kill_9_of_either_side(node: Make, secret: Path, tmp_path: Path, both_dial: bool) -> None:
    alpha, beta = (server(node, name, tmp_path, {"Lobby": 5}) for name in ("alpha", "beta"))
    alpha.start()
    know_each_other(beta, alpha, secret)
    beta.start()
    if both_dial:
        know_each_other(alpha, beta, secret)
        beta.run("peer", "add", "alpha", "--kind", "share", "--address", alpha.address, "--trust", alpha.pin)
        for one in (alpha, beta):
            one.run("reload")
    for one, other in ((alpha, "beta"), (beta, "alpha")):
        one.run("room", "share", "Lobby", other)
    expected = 10
    for number in range(4):
        where, victim = (alpha, beta)[number % 2], (alpha, beta)[number // 2]
        victim.kill()
        where.run("post", "Lobby", f"number {number}")
        expected += 1
        victim.start()
        for one in (alpha, beta):
            wait_for(lambda one=one: len(texts(one, "Lobby")), expected, one)
    assert texts(alpha, "Lobby") == texts(beta, "Lobby")
    for one in (alpha, beta):
        assert "no problems" in one.run("check").stdout
        assert "No conflicts" in one.run("conflicts", "list").stdout


def test_four_nodes_with_different_rules_for_each_room(node: Make, secret: Path, tmp_path: Path) -> None:
    """A hub and three others: a board for all, announcements one way, a calendar of two, and a drop-off to the hub."""
    rooms = {"Board": 1, "Announcements": 2, "Calendar": 0, "Drop": 0}
    hub = server(node, "hub", tmp_path, rooms)
    leaves = [server(node, name, tmp_path, dict.fromkeys(rooms, 0)) for name in ("north", "south", "west")]
    hub.start()
    for leaf in leaves:
        know_each_other(leaf, hub, secret)
        leaf.start()
    north, south, west = leaves
    for leaf in leaves:
        for one, other in ((hub, leaf.name), (leaf, "hub")):
            one.run("room", "share", "Board", other)
        hub.run("room", "share", "Announcements", leaf.name, "--direction", "push", "--history", "new")
        leaf.run("room", "share", "Announcements", "hub", "--direction", "pull")
        hub.run("room", "share", "Drop", leaf.name, "--direction", "pull", "--what", "messages")
        leaf.run("room", "share", "Drop", "hub", "--direction", "push", "--what", "messages")
    for one, other in ((hub, "north"), (north, "hub")):
        one.run("room", "share", "Calendar", other)

    north.run("post", "Board", "from north")
    hub.run("post", "Announcements", "announced")
    west.run("post", "Announcements", "not for the hub")
    south.run("post", "Drop", "dropped by south")
    event = tmp_path / "event.ics"
    event.write_text(EVENT)
    north.run("calendar", "add", str(event), "--room", "Calendar", "--any-room")

    for one in (hub, *leaves):
        wait_for(partial(texts, one, "Board"), ["Text 1 of Board", "from north"], one)
    for leaf in leaves:
        wait_for(lambda leaf=leaf: "announced" in texts(leaf, "Announcements"), True, leaf)
        assert not any(text.startswith("Text") for text in texts(leaf, "Announcements"))
    wait_for(partial(texts, hub, "Drop"), ["dropped by south"], hub)
    wait_for(lambda: len(texts(hub, "Calendar")), 1, hub)
    event.write_text(event.read_text().replace("SUMMARY:Meeting", "SUMMARY:Moved"))
    hub.run("calendar", "add", str(event), "--room", "Calendar", "--any-room")
    wait_for(lambda: "SUMMARY:Moved" in "".join(texts(north, "Calendar")), True, north)
    assert texts(south, "Calendar") == texts(north, "Drop") == texts(west, "Drop") == []
    assert "not for the hub" not in "".join(texts(hub, "Announcements"))
    for leaf in leaves:
        verified = leaf.json("verify", "hub")
        compared = {(one["room"], one["what"]) for one in verified["rooms"]}
        assert {("Board", "messages"), ("Announcements", "messages")} <= compared
        assert ("Drop", "messages") not in compared  # the hub takes and shows nothing
    assert "All 3 that both sides show are equal." in north.run("verify", "hub").stdout
    asked = hub.json("verify", "south")
    whole = {(one["room"], one["there"], one["what"]): one["records"] for one in asked["rooms"]}
    assert asked["equal"] and whole["Board", "Board", "messages"] == 2
    assert whole["Announcements", "Announcements", "messages"] == 0  # shared in part: nothing is told of the rest
    for one in (hub, *leaves):
        assert "no problems" in one.run("check").stdout
        assert "No conflicts" in one.run("conflicts", "list").stdout


def test_an_imported_ignet_configuration_works_once_it_is_confirmed(
    node: Make, secret: Path, export: Path, tmp_path: Path
) -> None:
    """The recorded server shared its room Support with bravo, and as Help Desk with charlie."""
    alpha = node("alpha")
    imported = alpha.run("import", str(export)).stdout
    assert "shares with other nodes: see 'ctdlmirror netconf import'" in imported
    charlie = server(node, "charlie", tmp_path, {"Help Desk": 0})
    alpha.start()
    listed = alpha.run("netconf", "import").stdout
    assert "Room Support:" in listed and "ignet_push_share|charlie|Help Desk" in listed
    assert "Peer bravo: at 127.0.0.1:2504" in listed and "Nothing of it is in force" in listed
    assert "s3cret" not in listed and "hunter2" not in listed
    know_each_other(charlie, alpha, secret)
    charlie.run("netconf", "import", "Help Desk", "-", input="ignet_push_share|alpha|Support\n")
    charlie.start()
    assert "proposed: " in alpha.run("room", "list").stdout
    assert texts(charlie, "Help Desk") == []

    alpha.run("netconf", "import", "--confirm")
    wait_for(lambda: texts(charlie, "Help Desk") == texts(alpha, "Support"), True, alpha, charlie)
    known = {one["name"]: one for one in alpha.json("peer", "list")}
    assert (known["bravo"]["kind"], known["bravo"]["has_secret"]) == ("share", False)
    charlie.run("post", "Help Desk", "an answer from charlie")
    wait_for(lambda: "an answer from charlie" in texts(alpha, "Support"), True, alpha)
    shown = charlie.json("read", "Help Desk", "--limit", "1000")
    assert ("Alice Liddell", "alice_liddell@alpha.example.org") in {(one["author"], one["address"]) for one in shown}
    assert {one["name"] for one in charlie.json("user", "list")} == {"User 1"}
    exported = tmp_path / "support.netconf"
    alpha.run("netconf", "export", "Support", str(exported))
    assert b"somefuturething|a|b|c\n" in exported.read_bytes()
    assert "Room Support" not in alpha.run("netconf", "import").stdout


class Client:
    """A Citadel user at a terminal."""

    def __init__(self, node: NodeProcess, user: str, password: str) -> None:
        host, port = node.address.split(":")
        self._lines = socket.create_connection((host, int(port)), timeout=20).makefile("rwb", buffering=0)
        self._lines.readline()
        assert self.say(f"USER {user}").startswith("300")
        assert self.say(f"PASS {password}").startswith("200")

    def say(self, line: str) -> str:
        self._lines.write(line.encode() + b"\n")
        return str(self._lines.readline().decode())

    def send(self, *lines: str) -> str:
        for line in (*lines, "000"):
            self._lines.write(line.encode() + b"\n")
        return str(self._lines.readline().decode())

    def listing(self, line: str) -> list[str]:
        assert self.say(line).startswith("1")
        found: list[str] = []
        while (text := self._lines.readline().decode().rstrip("\n")) != "000":
            found.append(text)
        return found


def test_a_rooms_aide_reads_and_writes_its_lines_and_a_running_daemon_follows(
    node: Make, secret: Path, export: Path, tmp_path: Path
) -> None:
    alpha = node("alpha")
    alpha.run("import", str(export))
    beta = server(node, "beta", tmp_path, {"Support": 1})
    alpha.start()
    know_each_other(beta, alpha, secret)
    beta.run("room", "share", "Support", "alpha")
    beta.start()
    admin = Client(alpha, "admin", "citadel")
    assert admin.say("GNET").startswith("571")
    assert admin.say("GOTO support").startswith("200 Support|alpha:32|1")
    recorded = admin.listing("GNET")
    assert recorded[:2] == ["listrecp|friend@example.net", "ignet_push_share|bravo"]
    assert admin.say("SNET").startswith("400")
    refused = admin.send("mirror_share|beta|Support|direction=sideways")
    assert refused.startswith("512 line 1, field 3 (direction): 'sideways' is not understood; write push, pull, both")
    assert admin.listing("GNET") == recorded
    assert admin.say("SNET").startswith("400")
    assert admin.send("listrecp|friend@example.net", "mirror_share|beta").startswith("200 1 rules")
    assert admin.listing("GNET") == ["listrecp|friend@example.net", "mirror_share|beta", ""]
    wait_for(lambda: "Text 1 of Support" in texts(alpha, "Support"), True, alpha)
    bob = Client(alpha, "Bob Stone", password_of("Bob Stone"))  # the room's aide, as the export says
    assert bob.say("GOTO Support").startswith("200 Support|alpha:32|1")
    assert bob.listing("GNET")[1] == "mirror_share|beta"
    other = Client(alpha, "Dmitri", password_of("Dmitri"))
    assert other.say("GOTO Support").startswith("200 Support|alpha:32|0")
    for command in ("GNET", "SNET"):
        assert other.say(command).startswith("550")
    assert other.say("GOTO Vault of nobody") == other.say("GOTO Aide")  # hidden or missing: no difference is told


def password_of(name: str) -> str:
    """Return a made-up user's password, as the export has it."""
    from xml.etree import ElementTree

    text = (Path(__file__).parents[2] / "mirror" / "data" / "alpha-980.xml").read_text("utf-8")
    for part in text.split("<user>")[1:]:
        user = ElementTree.fromstring("<user>" + part.partition("</user>")[0] + "</user>")
        if user.findtext("u_fullname") == name:
            return str(user.findtext("u_password"))
    raise AssertionError(f"there is no {name}")


def test_errors_name_what_is_wrong_and_what_to_do(node: Make, tmp_path: Path, secret: Path) -> None:
    alpha = server(node, "alpha", tmp_path, {"Lobby": 1})
    for arguments, words in (
        (("room", "share", "Lobby", "nobody"), "run 'ctdlmirror peer add nobody --kind share' first"),
        (("room", "share", "Nowhere", "beta"), "peer add beta --kind share"),
        (("room", "unshare", "Lobby", "beta"), "is not shared with beta"),
        (("room", "show", "Nowhere"), "there is no room 'Nowhere'"),
        (("netconf", "import", "Lobby", str(tmp_path / "missing")), "cannot be read"),
    ):
        result = alpha.run(*arguments, check=False)
        assert result.returncode == (12 if words == "there is no room 'Nowhere'" else 3), result
        assert words in result.stderr and "Traceback" not in result.stderr
    alpha.run("peer", "add", "beta", "--kind", "share", "--secret-file", str(secret))
    alpha.run("peer", "add", "gamma", "--secret-file", str(secret))
    assert "is a mirror and gets everything" in alpha.run("room", "share", "Lobby", "gamma", check=False).stderr
    wrong = alpha.run("room", "share", "Lobby", "beta", "--max-age", "long", check=False)
    assert "(max_age): 'long' is not understood; write a number and s, m, h, d or w: 90d" in wrong.stderr
    bad = tmp_path / "bad.netconf"
    bad.write_text("listrecp|\nmirror_share|beta|x|what=everything\n")
    checked = alpha.run("netconf", "check", str(bad), check=False)
    assert checked.returncode == 1
    assert "line 1, field 1 (address)" in checked.stdout and "line 2, field 3 (what)" in checked.stdout
    assert "room 'Lobby', line 1" in alpha.run("netconf", "import", "Lobby", str(bad), check=False).stderr
    assert alpha.run("netconf", "show", "Lobby").stdout == ""


def test_sides_that_take_each_other_for_different_kinds_are_told_so(node: Make, secret: Path) -> None:
    alpha, beta = node("alpha"), node("beta")
    alpha.run("peer", "add", "beta", "--kind", "share", "--trust", beta.pin, "--secret-file", str(secret))
    alpha.start()
    beta.knows(alpha, secret)
    refused = beta.run("bootstrap", f"mirror://{alpha.address}", check=False)
    assert refused.returncode == 3
    assert "alpha has us as a peer of kind share, here it is one of kind mirror" in refused.stderr
    beta.start()
    beta.wait_log("link to alpha: alpha has us as a peer of kind share")
    beta.run("peer", "add", "alpha", "--kind", "share", "--address", alpha.address, "--trust", alpha.pin)
    beta.run("reload")
    beta.wait_log("link to alpha is up")
    assert "just shares rooms" in beta.run("bootstrap", f"mirror://{alpha.address}", check=False).stderr
