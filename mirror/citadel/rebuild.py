"""A lost server made anew from what a mirror holds: an empty one imports it, then gets what an import leaves out.

By the administrator's socket, on the server's machine.  How far it has come is kept in a file, so it goes on where it
was: an import that was cut begins anew, which erases what the server has, so that is done only while the server is as
the cut import left it.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from mirror.citadel.bootstrap import log_in
from mirror.citadel.empty import why_not_empty
from mirror.citadel.looks.pages import pages
from mirror.citadel.looks.remembered import HIGHEST_KEY
from mirror.citadel.meaning.declared import Expected
from mirror.citadel.meaning.keys import Keys, Pair
from mirror.citadel.meaning.numbering import number_in
from mirror.citadel.migr.exporter import Exporter
from mirror.citadel.migr.names import CREATED_KEY
from mirror.citadel.migr.places import Step
from mirror.citadel.protocol.answers import read_rooms
from mirror.citadel.protocol.client import CitadelClient
from mirror.citadel.refill import Refilled, refill
from mirror.citadel.verify import VERIFIED
from mirror.formats.errors import CitadelError
from mirror.formats.server_own import is_own_setting
from mirror.owned import replace_owned
from mirror.store.base import Reading

_OTHER = "numbers and names of several servers are one series now"
_OLDER = "what version 980 writes otherwise than an older one"
HOST_NAME = "c_fqdn"
"""The setting that holds the name of the server's machine: the new machine's own stays."""
MAY_DIFFER = {("config", HOST_NAME): "the machine's own name"}
"""Records that may differ between a rebuilt server and the mirror that it was made from."""
REBUILT = (
    *VERIFIED,
    Expected("users", "u_version", _OLDER),
    *(Expected(kind, "msg_mimetype", _OLDER) for kind in ("messages", "user-settings")),
)
"""What may differ besides."""
RENUMBERED = (
    *REBUILT,
    Expected("rooms", "QRorder", "a server's own Lobby and Aide alone come first"),
    *(
        Expected(kind, field, _OTHER)
        for kind, field in (
            ("users", "u_usernum"),
            ("users", "u_fullname"),
            ("rooms", "QRnumber"),
            ("rooms", "QRname"),
            ("rooms", "QRdirname"),
            ("messages", "msg_msgnum"),
            ("user-settings", "msg_msgnum"),
            ("floors", "f_num"),
            ("visits", "v_roomnum"),
            ("visits", "v_usernum"),
        )
    ),
)
"""What may differ where the mirror holds several servers, whose numbers and names are one series now."""
IMPORT_PATIENCE_S = 4 * 3600.0
"""Seconds that a server may take to put in order what it has imported."""
ROOMS_AT_ONCE = 50


class NotEmpty(CitadelError):
    """The server holds what a rebuild would erase."""

    exit_code = 8


class Progress(NamedTuple):
    """How far a rebuild has come: in what, how much of how much of what."""

    what: str
    done: int
    total: int | None = None
    unit: str = "messages"


class State(msgspec.Struct):
    """What is remembered of a rebuild that is not at its end."""

    place: str
    created: str
    highest: int
    imported: bool = False


class Rebuilt(msgspec.Struct):
    """What was written into a server."""

    server: str = ""
    elements: dict[str, int] = {}
    renumbered: int = 0
    imported: bool = True
    """Whether the import was made now, and not in an earlier run."""
    refilled: Refilled = msgspec.field(default_factory=Refilled)
    notices: list[str] = []
    pairs: list[Pair] = []
    """Which users, rooms and floors of the server are which here, where any has another number or name."""

    @property
    def keys(self) -> Keys | None:
        """Under which keys the server's things are here; None where that follows from their numbers."""
        return Keys.of(self.server, self.pairs) if self.pairs else None


class Rebuilding:
    """Use once."""

    def __init__(
        self,
        reading: Reading,
        node: str,
        place: Path,
        state_file: Path,
        *,
        directory: Path | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        """``place`` is the directory of the administrator's socket, ``directory`` that of the server's own.

        ``state_file`` is where it is kept how far this has come.
        """
        self._reading = reading
        self._node = node
        self._place = place
        self._file = state_file
        self._directory = directory
        self._progress = progress or (lambda _progress: None)

    def run(self) -> Rebuilt:
        """Rebuild the server.

        Raises NotEmpty, ConnectionLost, CitadelError, StoreError; repeated, it goes on where it was.
        """
        with self._client() as client:
            held = client.settings()
            state = self._state(client, held)
            own = {key: value for key, value in held.items() if is_own_setting(key) or key == HOST_NAME}
            with closing(Exporter(self._reading, self._node, settings=own, for_server=True)) as exporter:
                exporter.tell(self._told)
                return self._fill(client, exporter, state, held)

    @contextmanager
    def _client(self) -> Iterator[CitadelClient]:
        client = log_in(self._place, "", "")
        try:
            yield client
            client.quit()
        finally:
            client.channel.close()

    def _told(self, step: Step) -> None:
        self._progress(Progress(step.what, step.done, step.total))

    def _fill(self, client: CitadelClient, exporter: Exporter, state: State | None, held: dict[str, str]) -> Rebuilt:
        blocks = exporter.blocks()
        began = next(blocks)  # which has numbered all there is
        rebuilt = Rebuilt(exporter.report.server, notices=exporter.report.notices)
        if state is None or not state.imported:
            self._import(client, exporter, began, blocks)
        else:
            rebuilt.imported = False
        rebuilt.elements = exporter.report.elements
        rebuilt.renumbered = sum(1 for _ in exporter.given())
        rebuilt.refilled = refill(client, self._reading, exporter, self._place, self._directory, self._refilling)
        self._note_host_name(exporter, held, rebuilt)
        if rebuilt.renumbered:
            rebuilt.pairs = list(exporter.pairs())
        self._file.unlink(missing_ok=True)
        return rebuilt

    def _refilling(self, what: str, done: int, total: int) -> None:
        self._progress(Progress(what, done, total, "rooms"))

    # -- whether it may be ------------------------------------------------------------------------

    def _state(self, client: CitadelClient, held: dict[str, str]) -> State | None:
        """Return how far an earlier run came.  Raises NotEmpty where the server holds anything else."""
        state = self._remembered()
        if state is not None and self._is_as_left(state, held):
            return state
        why = self._why_not_empty(client, held)
        if why:
            raise NotEmpty(
                f"{self._place} is no empty server: it has {why}.  A rebuild erases what a server has: give it one as "
                "it is after its first start, or move the data of this one away first"
            )
        return None

    def _remembered(self) -> State | None:
        try:
            state = msgspec.json.decode(self._file.read_bytes(), type=State)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise CitadelError(f"{self._file} cannot be read: {error}; without it a rebuild begins anew") from None
        return state if state.place == str(self._place) else None

    def _is_as_left(self, state: State, held: dict[str, str]) -> bool:
        """Tell whether the server is as an earlier run left it: nothing was posted there since the import."""
        same = held.get(CREATED_KEY, "").strip() == state.created
        return same and (state.imported or number_in(held, HIGHEST_KEY) <= state.highest)

    def _why_not_empty(self, client: CitadelClient, held: dict[str, str]) -> str:
        users, listed = client.tell("LIST", "LKRA")
        rooms = read_rooms(listed or [])
        counts: dict[bytes, int] = {}
        for names in pages(rooms, ROOMS_AT_ONCE):
            answers = client.ask_all([b"GOTO %s||1" % name for name in names])
            counts |= {name: _messages(answer) for name, answer in zip(names, answers, strict=True)}
        return why_not_empty(held, users or [], rooms, counts)

    # -- the import -------------------------------------------------------------------------------

    def _import(self, client: CitadelClient, exporter: Exporter, began: bytes, blocks: Iterator[bytes]) -> None:
        state = State(str(self._place), exporter.created, exporter.highest)
        self._remember(state)

        def all_blocks() -> Iterator[bytes]:
            yield began
            yield from blocks
            self._progress(Progress("the server puts it in order", exporter.count, exporter.count))

        client.import_export(all_blocks(), IMPORT_PATIENCE_S)
        told = number_in(client.settings(), HIGHEST_KEY)
        if told != exporter.highest:
            raise CitadelError(
                f"{self._place} did not take the import (its highest message number is {told}, not "
                f"{exporter.highest}): restart the server, which may still be in an import that was cut, and repeat"
            )
        state.imported = True
        self._remember(state)

    def _remember(self, state: State) -> None:
        replace_owned(self._file, msgspec.json.encode(state).decode())

    def _note_host_name(self, exporter: Exporter, held: dict[str, str], rebuilt: Rebuilt) -> None:
        ours, theirs = exporter.setting(HOST_NAME), held.get(HOST_NAME, "")
        if ours and ours != theirs:
            rebuilt.notices.append(
                f"the machine's name stays {theirs}; the lost server's was {ours}, to which users' addresses may "
                f"belong ('sendcommand CONF PUTVAL|{HOST_NAME}|{ours}' gives it back)"
            )


def _messages(answer: list[bytes]) -> int:
    """Return how many messages there are in a room that was entered."""
    fields = answer[0].split(b"|") if answer and answer[0].startswith(b"2") else []
    return int(fields[2]) if len(fields) > 2 and fields[2].isdigit() else 0
