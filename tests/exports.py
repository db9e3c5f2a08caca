"""Makes MIGR exports of any size, in the form that version 980 writes."""

import base64
import random
from collections.abc import Iterator

IMPORTED = 296
"""Records in the sample export, mirror/data/alpha-980.xml."""
HEADER = """100 Exporting all Citadel databases.
<?xml version="1.0" encoding="UTF-8" ?>
<citadel_migrate_data>
<version>980</version>
<config key="c_nodename">big</config>
<config key="c_config_created_or_migrated">1700000000</config>
"""
USER = """<user>
<u_version>980</u_version><u_uid>0</u_uid><u_password>secret{n}</u_password><u_flags>0</u_flags>
<u_axlevel>4</u_axlevel><u_usernum>{n}</u_usernum><u_lastcall>1700001000</u_lastcall>
<u_USuserpurge>0</u_USuserpurge><u_fullname>User {n}</u_fullname>
</user>
"""
ROOM = """<room>
<QRname>{name}</QRname><QRpasswd></QRpasswd><QRroomaide>0</QRroomaide><QRhighest>0</QRhighest>
<QRgen>0</QRgen><QRflags>2</QRflags><QRfloor>0</QRfloor><QRmtime>1700002000</QRmtime>
<QRnumber>{n}</QRnumber><QRorder>64</QRorder><QRflags2>0</QRflags2><QRdefaultview>0</QRdefaultview>
</room>
"""


def message_bytes(number: int, size: int, chance: random.Random) -> bytes:
    """Return a serialized message of about ``size`` bytes."""
    text = base64.b64encode(chance.randbytes(size * 3 // 4))
    return (
        b"\xffA\x04"
        + b"I%08X-%08X@big\0" % (1700000000 + number, number)
        + b"T%d\0AUser 1\0ORoom\0USubject %d\0M" % (1700000000 + number, number)
        + b"Content-type: text/plain\n\n"
        + text
        + b"\0"
    )


def make_export(messages: int, size: int = 2048, rooms: int = 5, users: int = 3, seed: int = 1) -> Iterator[bytes]:
    """Yield an export in blocks: every message in one room, in turn."""
    chance = random.Random(seed)
    yield HEADER.encode()
    for n in range(1, users + 1):
        yield USER.format(n=n).encode()
    for n in range(1, rooms + 1):
        name = f"Room {n}"
        listed = ",\n".join(str(number) for number in range(n, messages + 1, rooms))
        yield ROOM.format(name=name, n=n).encode()
        yield f"<room_messages>\n<FRname>{name}</FRname>\n<FRmsglist>{listed}</FRmsglist>\n</room_messages>\n".encode()
    for number in range(1, messages + 1):
        body = base64.b64encode(message_bytes(number, size, chance))
        yield (
            b"<message>\n<msg_msgnum>%d</msg_msgnum>\n<msg_meta_refcount>1</msg_meta_refcount>\n"
            b"<msg_text>%s</msg_text>\n</message>\n" % (number, body)
        )
    yield b"</citadel_migrate_data>\n000\n"


SMALL = """<?xml version="1.0" encoding="UTF-8" ?>
<citadel_migrate_data>
<version>980</version>
<config key="c_nodename">alpha</config>
<config key="c_config_created_or_migrated">1690000000</config>
<user>
<u_axlevel>4</u_axlevel><u_usernum>2</u_usernum><u_lastcall>1690000100</u_lastcall>{user}<u_fullname>Ann</u_fullname>
</user>
<room>
<QRname>Lobby</QRname><QRgen>1</QRgen><QRflags>2</QRflags><QRnumber>1</QRnumber><QRmtime>1690000200</QRmtime>
</room>
<room_messages>
<FRname>Lobby</FRname>
<FRmsglist>{lobby}</FRmsglist>
</room_messages>
{visit}{messages}<progress>100</progress>
</citadel_migrate_data>
"""
VISIT = """<visit>
<v_roomnum>1</v_roomnum><v_roomgen>1</v_roomgen><v_usernum>2</v_usernum><v_seen>{seen}</v_seen><v_flags>4</v_flags>
</visit>
"""


def small_export(lobby: str = "10,11", user: str = "", seen: str | None = None, count: int = 2) -> bytes:
    """Return an export of one user, Ann, and one room, Lobby, with ``count`` messages from number 10 on.

    ``lobby`` is the room's list of messages, ``user`` more elements of Ann, ``seen`` what she has read there.
    """
    messages = ""
    for number in range(10, 10 + count):
        data = b"\xffA\x04I%d@example\0T1690000300\0AAnn\0OLobby\0Us\0Mtext %d\0" % (number, number)
        text = base64.b64encode(data).decode()
        messages += f"<message>\n<msg_msgnum>{number}</msg_msgnum>\n<msg_text>{text}</msg_text>\n</message>\n"
    visit = "" if seen is None else VISIT.format(seen=seen)
    return SMALL.format(lobby=lobby, user=user, visit=visit, messages=messages).encode()
