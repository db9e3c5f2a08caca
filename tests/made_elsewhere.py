"""Users, rooms and floors as another node made them, and what a made-up server has of them."""

from made_administered import AdministeredServer

from mirror.model.fields import fields_at, values_of
from mirror.model.record import Record
from mirror.store.base import Store

BOB, CHAT, BOX = "beta:7", "beta:60", "beta:61"
"""A user of another server, a room of it, and the user's mailbox."""


def put(store: Store, collection: str, key: str, **fields: str) -> None:
    """Write fields of a thing as another node's clients do, or make it."""
    held = store.read(lambda reader: reader.get(collection, key))
    if held is not None and not held.dead:
        store.write(lambda writer: writer.set_fields(collection, key, dict(fields)))
    else:
        store.write(lambda writer: writer.put(Record(collection, key, 1, "m", 1, head=fields_at(fields, 1, "m"))))


def user(store: Store, key: str, name: str, number: int, **more: str) -> None:
    plain = {"u_password": "pw", "u_flags": "10768", "u_axlevel": "4", "u_USuserpurge": "0", "u_emailaddrs": ""}
    put(store, "users", key, **{**plain, "u_fullname": name, "u_usernum": str(number), "u_lastcall": "5", **more})


def room(store: Store, key: str, name: str, **more: str) -> None:
    plain = {"QRflags": "2", "QRpasswd": "", "QRdirname": "", "QRfloor": "0", "QRorder": "5", "QRdefaultview": "0"}
    others = {"QRflags2": "0", "QRroomaide": "-1", "QRexpire_mode": "0", "QRexpire_value": "0"}
    put(store, "rooms", key, **{**plain, **others, "QRname": name, "QRnumber": "7", **more})


def delete(store: Store, collection: str, key: str) -> None:
    store.write(lambda writer: writer.delete(collection, key))


def field(store: Store, collection: str, key: str, name: str) -> object:
    return values_of(store.read(lambda reader: reader.get(collection, key))).get(name)


def living_users(store: Store) -> list[str]:
    """Return the keys of all users who are here, sorted."""
    return sorted(store.read(lambda reader: [one.key for one in reader.scan_all("users") if not one.dead]))


def named(server: AdministeredServer, name: str) -> dict[str, str]:
    return next((one for one in server.users.values() if one["u_fullname"] == name), {})


def room_named(server: AdministeredServer, name: str) -> dict[str, str]:
    return next((one for one in server.rooms.values() if one["QRname"] == name), {})
