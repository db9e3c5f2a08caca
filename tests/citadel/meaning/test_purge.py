"""What a purge of a server took that was in use elsewhere: users who called there, rooms that were written in."""

import pytest

from mirror.citadel.meaning.purge import Purge, purge_between
from mirror.formats.keys import BORN_IMPORTED
from mirror.model.fields import Field, pack_fields
from mirror.model.record import Record
from mirror.model.stamp import make_stamp

ALPHA, BETA, DAY = "citadel:alpha", "citadel:beta", 86_400
MIDNIGHT = 1_795_996_800 // DAY * DAY
NOW = MIDNIGHT + 3 * 3600 + 30
PURGE = Purge(NOW, 60 * DAY, 90 * DAY, ALPHA)
SETTINGS = {"c_purge_hour": "3", "c_userpurge": "60", "c_roompurge": "90"}


def user(called: int, origin: str, days: str = "0") -> Record:
    fields = {"u_lastcall": Field(str(called), 5, origin), "u_USuserpurge": Field(days, 5, ALPHA)}
    return Record("users", "alpha:2", 5, origin, BORN_IMPORTED, head=pack_fields(fields))


def message(at: int, origin: str) -> Record:
    return Record("messages/alpha:1", "id:1", make_stamp(at * 1000), origin, BORN_IMPORTED)


def test_who_called_elsewhere_within_the_days_of_a_purge_is_spared() -> None:
    assert PURGE.spares_user(user(NOW - 59 * DAY, BETA))
    assert not PURGE.spares_user(user(NOW - 61 * DAY, BETA))


def test_who_called_just_there_was_deleted_by_somebody() -> None:
    assert not PURGE.spares_user(user(NOW - DAY, ALPHA))


def test_a_users_own_days_count_before_those_of_the_server() -> None:
    assert not PURGE.spares_user(user(NOW - 8 * DAY, BETA, days="7"))
    assert PURGE.spares_user(user(NOW - 300 * DAY, BETA, days="365"))


def test_a_server_that_throws_no_users_or_rooms_away_was_told_to_delete_them() -> None:
    never = PURGE._replace(users_s=0, rooms_s=0)
    assert not never.spares_user(user(NOW, BETA)) and not never.spares_room([message(NOW, BETA)])


def test_a_room_that_was_written_in_elsewhere_is_spared() -> None:
    assert PURGE.spares_room([message(NOW - 100 * DAY, ALPHA), message(NOW - 89 * DAY, BETA)])
    assert not PURGE.spares_room([message(NOW - 91 * DAY, BETA), message(NOW - DAY, ALPHA)])
    assert not PURGE.spares_room([])


@pytest.mark.parametrize(
    ("since", "now", "offset", "may"),
    [
        (NOW - 10, NOW, 0, True),  # within the hour
        (MIDNIGHT, MIDNIGHT + 2 * 3600, 0, False),  # before it
        (MIDNIGHT + 4 * 3600, MIDNIGHT + 5 * 3600, 0, False),  # behind it
        (MIDNIGHT, MIDNIGHT + 5 * 3600, 0, True),  # an outage with the hour in it
        (0, MIDNIGHT + 5 * 3600, 0, True),  # nobody knows since when
        (MIDNIGHT + 1800, MIDNIGHT + 1900, 3 * 3600, True),  # three o'clock where the server is
        (NOW - 10, NOW, 3 * 3600, False),  # six o'clock there
        (MIDNIGHT + 4 * 3600 - 1, MIDNIGHT + 4 * 3600 + 60, 0, True),  # its last second
    ],
)
def test_a_purge_is_in_the_hour_of_the_servers_own_time(since: int, now: int, offset: int, may: bool) -> None:
    found = purge_between(SETTINGS, since, now, offset, ALPHA)
    assert (found is not None) == may
    if found is not None:
        assert found == Purge(now, 60 * DAY, 90 * DAY, ALPHA)
