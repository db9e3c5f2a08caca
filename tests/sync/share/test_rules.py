"""The rules in force are those that stand confirmed in the rooms, and can be obeyed."""

from share_ends import Stores, room, shares_of

from mirror.model.record import Record
from mirror.sync.share.rules import NETCONF_KEY, read_shares


def test_imported_lines_share_nothing_until_confirmed(pair: Stores) -> None:
    a, _ = pair
    room(a, "a:1", "Lobby")
    lines = Record(
        "netconf/a:1", NETCONF_KEY, 5, "citadel:a", 1, head=b"\x81\xa8proposed\xc3", body=b"ignet_push_share|b\n"
    )
    a.write(lambda writer: writer.absorb([lines]))
    assert shares_of(a, "b").rooms == []
    changed = Record("netconf/a:1", NETCONF_KEY, 5, "citadel:a", 1, head=lines.head, body=b"ignet_push_share|b|x\n")
    a.write(lambda writer: writer.put(changed))  # the server's lines changed, so a version of our own was written
    assert shares_of(a, "b").rooms == []
    a.write(lambda writer: writer.put(Record("netconf/a:1", NETCONF_KEY, 1, "x", 1, body=b"ignet_push_share|b\n")))
    assert [one.key for one in shares_of(a, "b").rooms] == ["a:1"]


def test_lines_that_cannot_be_obeyed_share_nothing_and_are_named(pair: Stores) -> None:
    a, _ = pair
    room(a, "a:1", "Lobby", "mirror_share|b|x|what=everything")
    room(a, "a:2", "Bar", "mirror_share|b")
    found, problems = a.read(lambda reader: read_shares(reader, ["b"]))
    assert [one.key for one in found["b"].rooms] == ["a:2"]
    assert problems[0].startswith("room 'Lobby', line 1, field 3 (what)")
