"""What keeping folders equal asks of the node, as a user: rooms, what changed, items by key, and to take drafts.

``mirror.client.connection`` asks it over the wire; tests answer it from a store.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from mirror.model.errors import MirrorError

if TYPE_CHECKING:
    from mirror.model.draft import Draft, Written
    from mirror.model.record import Record


NOTHING: Mapping[str, int] = MappingProxyType({})


class Stale(MirrorError):
    """The cursor is not of the store's present life, or lies before forgotten deletions: all is compared anew."""


class Room(NamedTuple):
    """A room that is open to the user: its key, its name as the user sees it, its view, and what the user may do."""

    key: str
    name: str
    view: int
    own: bool = False
    writable: bool = True


class RoomList(NamedTuple):
    """The rooms that are open, where the feed ended as of the same moment, and what stands for the list."""

    rooms: list[Room]
    cursor: str
    token: int = 0


class Held(NamedTuple):
    """A record as the node holds it, with its body wherever that is kept, and its CRC-64."""

    record: "Record"
    body: bytes
    crc: int


class Page(NamedTuple):
    """What changed, and how far in the feed that is."""

    held: list[Held]
    cursor: str


class Outcome(NamedTuple):
    """What became of a draft: written, or ``changed`` as another version is there, or why it was refused.

    ``there`` is the version that is there once it was written.
    """

    changed: bool = False
    refused: str = ""
    there: "Written | None" = None

    @property
    def written(self) -> bool:
        return not self.changed and not self.refused


class Server(Protocol):
    """A node, as a user who is logged in.  Any method may raise ConnectionLost, ProtocolError or Refused."""

    node: str
    user_key: str

    def rooms(self) -> RoomList:
        """Return the rooms that are open to the user now."""

    def create_room(self, name: str, view: int) -> str:
        """Make a room of the user's own; return its key."""

    def rename_room(self, key: str, name: str) -> None:
        """Give a room of the user's own another name."""

    def count(self, collection: str) -> int:
        """Return how many records a collection has, deletions too."""

    def whole(self, collection: str, largest: int = 0, known: Mapping[str, int] = NOTHING) -> Iterator[list[Held]]:
        """Yield all records of a collection, deletions too; nothing else may be asked until the last one came.

        Bodies of more than ``largest`` bytes do not come, 0 for any, and none that is kept apart of what is ``known``:
        by key the CRC of a version.
        """

    def since(self, cursor: str, collections: set[str], largest: int = 0) -> Iterator[Page]:
        """Yield what of some collections changed after a cursor, in the feed's order.  Raises Stale.

        Bodies of more than ``largest`` bytes do not come, 0 for any.
        """

    def pages(self, collection: str, keys: Sequence[str]) -> Iterator[list[Held]]:
        """Yield what is held of some keys, deletions too, as much at once as has room in memory."""

    def get(self, collection: str, keys: Sequence[str]) -> dict[str, Held]:
        """Return what is held of some keys, deletions too; of those whose bodies together have room in memory."""

    def move(self, source: str, target: str, keys: "Sequence[str]") -> "list[Written] | None":
        """Move messages from one room to another as one act, with the user's marks; None where that is refused."""

    def offer(self, drafts: "Sequence[Draft]") -> list[Outcome]:
        """Have drafts written; what one is refused for stops no other."""
