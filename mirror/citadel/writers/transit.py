"""The folders of the service's own user through which all comes that is written into rooms.

Nobody sees them and no rule runs there.  What is in one of them was on its way when it was interrupted: what arrived is
in its room, so it is thrown away.  Folders for calendars, contacts and notes give an item its exclusive id.
"""

from collections.abc import Iterable, Sequence

from mirror.citadel.meaning.keys import OWNER_DIGITS
from mirror.citadel.protocol.answers import read_numbers
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.protocol.imap import ImapClient
from mirror.formats.server_own import IN_TRANSIT
from mirror.wire.errors import Refused

PLAIN = 0
"""The folder for messages; others are named by the view that rooms for their items have."""


class Transit:
    """Lives as long as the connections to the server, which are those of the service's user."""

    def __init__(self, client: CitadelClient, imap: ImapClient) -> None:
        """Make the folder for messages, and throw away what was left in any of them."""
        self._client, self._imap = client, imap
        self._made: set[int] = {PLAIN}
        imap.make_folder(f"INBOX/{IN_TRANSIT}")
        listed = client.tell("LKRA")[0] or []
        names = {line.partition(b"|")[0].decode("utf-8", "replace") for line in listed}
        for name in names:
            _, blank, number = name.rpartition(f"{IN_TRANSIT} ")
            if blank and number.isdigit():
                self._made.add(int(number))
        self.empty()

    def goto(self, folder: int) -> bytes:
        """Return the command by which a folder is entered."""
        return f"GOTO {_name(folder)}||1".encode()

    def append(self, folder: int, messages: Sequence[bytes]) -> list[int]:
        """Put messages into a folder by IMAP; returns their numbers, 0 for those that were refused."""
        self._make(folder)
        return self._imap.append(f"INBOX/{_name(folder)}", messages)

    def enter(self, folder: int, arguments: str, text: bytes) -> int:
        """Put a message into a folder as it stands; returns its number, or 0."""
        self._make(folder)
        self._client.ask_all([self.goto(folder)])
        try:
            return self._client.enter_message(arguments, text)
        except Refused:
            return 0

    def ids(self, folder: int) -> dict[int, str]:
        """Return the exclusive ids of what is in a folder, by numbers."""
        _, listed = self._client.ask_all([self.goto(folder), b"MSGS ALL|0|0|4"])
        told = [line.split(b"|") for line in listed[1:-1]]
        return {int(one[0]): one[1].decode("utf-8", "replace") for one in told if len(one) > 1 and one[0].isdigit()}

    def empty(self) -> None:
        """Throw away what is in the folders."""
        for folder in self._made:
            _, listed = self._client.ask_all([self.goto(folder), b"MSGS ALL"])
            numbers = [line for line in listed[1:-1] if line.isdigit()]
            if numbers:
                self._client.ask_all([b"DELE %s" % number for number in numbers])

    def _make(self, folder: int) -> None:
        """Make a folder that is not there yet."""
        if folder not in self._made:
            self._client.ask_all([f"CRE8 1|{_name(folder)}|4||0|1|{folder}".encode()])
            self._made.add(folder)


def empty_transit(client: CitadelClient, rooms: Iterable[str], user: int) -> set[int]:
    """Throw away what a user's folders still had in transit when a server or node died; returns the numbers of that.

    ``rooms`` are the names of all rooms there.  Done before anything is looked at: a message that was being moved when
    its server was killed is counted once and listed twice, and with one of the two its text goes.
    """
    found: set[int] = set()
    for name in [one for one in rooms if one.startswith(f"{user:0{OWNER_DIGITS}}.{IN_TRANSIT}")]:
        _, listed = client.ask_all([f"GOTO {name}||1".encode(), b"MSGS ALL"])
        numbers = read_numbers(listed[1:-1])
        client.ask_all([b"DELE %d" % number for number in numbers])
        found.update(numbers)
    return found


def _name(folder: int) -> str:
    return f"{IN_TRANSIT} {folder}" if folder else IN_TRANSIT
