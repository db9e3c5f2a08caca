"""What belongs to a room or a user, and is deleted when that is.

A container is deleted as what its deleter had seen of it: each record in it gets a tombstone.  What others write into
it meanwhile is in none of them, so it stays alive, in a room that is not there any more, until someone looks.
"""

from collections.abc import Iterator

from mirror.model.kinds import KINDS, Collection, parse_collection

KILLED = "killed-rooms"
"""The kind that remembers what deleted rooms were: a tombstone holds nothing."""
_ROOMS, _USERS, _NETCONF = "rooms", "users", "netconf"
_ROOM_INFO, _PICTURES = "room-info", "pictures"
_OF_ROOM, _OF_USER = "room ", "user "
"""In a picture's key, before that of the room or user it shows."""


def is_container(collection: str) -> bool:
    """Tell whether records of a collection are what others belong to."""
    return collection in (_ROOMS, _USERS)


def collections_in(collection: str, key: str) -> list[str]:
    """Return the collections that are a room's, in the order in which they are to be emptied.

    The network configuration comes first: without it the room is shared with nobody, so those it was shared with
    hear that it is not any more, and nothing of what is deleted next.
    """
    if collection != _ROOMS:
        return []
    kinds = [kind.name for kind in KINDS.values() if kind.per_room]
    return [str(Collection(kind, key)) for kind in sorted(kinds, key=lambda kind: kind != _NETCONF)]


def records_of(collection: str, key: str) -> Iterator[tuple[str, str]]:
    """Yield collection and key of what is told of a room or user in other places than its own collections."""
    if collection == _ROOMS:
        yield _ROOM_INFO, key
        yield _PICTURES, picture_of_room(key)
    elif collection == _USERS:
        yield "bios", key
        yield "inbox-rules", key
        yield _PICTURES, picture_of_user(key)


def picture_of_room(room: str) -> str:
    """Return the key of a room's picture."""
    return _OF_ROOM + room


def picture_of_user(user: str) -> str:
    """Return the key of a user's picture."""
    return _OF_USER + user


def user_told_of(collection: str, key: str) -> str:
    """Return the key of the user of whom a record tells that is in no room; an empty string for none."""
    if collection in (_USERS, "bios", "inbox-rules"):
        return key
    if collection == "user-settings":
        return key.partition(" ")[0]
    return key.removeprefix(_OF_USER) if collection == _PICTURES and key.startswith(_OF_USER) else ""


def room_told_of(collection: str, key: str) -> str:
    """Return the key of the room of which a record tells, in whatever collection; an empty string for none."""
    kind, room = parse_collection(collection)
    if kind in (_ROOMS, _ROOM_INFO):
        return key
    if kind == _PICTURES:
        return key.removeprefix(_OF_ROOM) if key.startswith(_OF_ROOM) else ""
    return room
