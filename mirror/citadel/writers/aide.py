"""What a server tells its administrators of what was done there: of what was written from elsewhere nobody is told.

Version 980 posts into its Aide room when a user or room is made, renamed, edited or deleted.  Each of these was told
where it was really done, so what the writing makes is taken out again before anybody looks.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from mirror.citadel.following.asked import AIDE_ROOM
from mirror.citadel.meaning.pairing import ROLES
from mirror.citadel.protocol.answers import setting
from mirror.citadel.protocol.client import CitadelClient

_AUTHOR = b"Citadel"
_NOTICES = (
    b"User Creation Notice", b"User Admin Message", b"User Deletion Message", b"Room Creation Message",
    b"Room modification Message", b"Admin Room Modification", b"Room Purger Message",
)  # fmt: skip


class Quiet:
    """Collects the names of what is made, changed or deleted there."""

    def __init__(self) -> None:
        self.names: list[bytes] = []


@contextmanager
def quietly(client: CitadelClient) -> Iterator[Quiet]:
    """Have what is done meanwhile to the things that are named not be told in the Aide room.

    What somebody else does there at the same time is told, unless it was done to the same things.
    """
    room = _room(client)
    _, listed = client.ask_all([room, b"MSGS LAST|1"])
    last = max((int(line) for line in listed if line.isdigit()), default=0)
    quiet = Quiet()
    yield quiet
    _, told = client.ask_all([room, b"MSGS GT|%d|0|1" % last])
    numbers = [line.partition(b"|")[0] for line in told if _is_notice(line)]
    texts = client.ask_all([b"MSG2 %s|0" % number for number in numbers])
    ours = [number for number, text in zip(numbers, texts, strict=True) if _names_one(text, quiet.names)]
    if ours:
        client.ask_all([b"DELE %s" % number for number in ours])


def _room(client: CitadelClient) -> bytes:
    (settings,) = client.ask_all([b"CONF LISTVAL"])
    return b"GOTO %s||1" % (setting(settings, AIDE_ROOM) or ROLES["c_aideroom"].encode())


def _is_notice(line: bytes) -> bool:
    fields = line.split(b"|")
    return len(fields) > 5 and fields[2] == _AUTHOR and fields[5] in _NOTICES


def _names_one(text: list[bytes], names: list[bytes]) -> bool:
    return any(name in line for line in text for name in names)
