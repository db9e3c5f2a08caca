"""Writing into a server what came from elsewhere, stretch by stretch of the feed: each writer is given its own.

Knows which writers there are and in which order they come, and nothing of what they write.
"""

from collections.abc import Callable, Sequence

from mirror.addresses import Address
from mirror.citadel.bootstrap import Place, log_in
from mirror.citadel.client import CitadelClient
from mirror.citadel.imap import ImapClient
from mirror.citadel.later import PutOff
from mirror.citadel.look import Verdict, cursor_name, place_of
from mirror.citadel.posted import Known
from mirror.citadel.writers.base import KindWriter, Target, Written
from mirror.citadel.writers.marks import MarksWriter
from mirror.citadel.writers.messages import MessagesWriter
from mirror.citadel.writers.texts import TextsWriter
from mirror.formats.errors import CitadelError
from mirror.store.base import Store, Writer

_LOCAL, _ANYWHERE = "127.0.0.1", ("", "*", "0.0.0.0", "::")


def writers(client: CitadelClient, imap: ImapClient) -> list[KindWriter]:
    """Return one of each, in the order in which they write: what others are in or refer to comes first."""
    return [MessagesWriter(client, imap), MarksWriter(), TextsWriter()]


class Writing:
    """Writes into one server over two connections of the service's user, an administrator; for one greenlet."""

    def __init__(
        self, store: Store, client: CitadelClient, imap: ImapClient, connect: Callable[[], CitadelClient]
    ) -> None:
        """``client`` is logged in at the administrator's socket; ``connect`` gives others where nobody is."""
        self._store, self._client, self._imap, self._connect = store, client, imap, connect
        self._sequence = 0
        self._later: PutOff | None = None
        self._writers: Sequence[KindWriter] = writers(client, imap)

    def close(self) -> None:
        self._client.channel.close()
        self._imap.close()

    def round(self, known: Known, since: int, verdict: Verdict = Verdict.HOLD) -> Written:
        """Write the next of what came from elsewhere, of a server just looked at; ``since``: its highest number then.

        ``verdict`` is what is done about very many deletions.
        """
        target = Target.of(self._store, self._client, self._imap, known, since, verdict, self._connect)
        cursor = cursor_name(place_of(known.node))
        begin = max(self._sequence, self._store.read(lambda reader: reader.meta_number(cursor)))
        wanted = [writer.collections(target) for writer in self._writers]
        page = self._store.read(lambda reader: reader.feed(begin, lambda name: any(one(name) for one in wanted)))
        if self._later is None:
            self._later = PutOff(self._store, target.place)
        records = list(page.records)
        if not page.more or verdict is not Verdict.HOLD:  # what waits for another look has just one a look
            records += self._later.due({(one.collection, one.key) for one in page.records}, verdict)
        worked = False
        for writer, ours in zip(self._writers, wanted, strict=True):
            some = [one for one in records if ours(one.collection) and writer.takes(one)]
            if some:
                worked |= writer.write(target, some)
        written = target.written
        written.more = page.more
        advances = not written.again and page.sequence != begin

        def job(writer: Writer) -> None:
            if advances:
                writer.set_meta(cursor, page.sequence)
            changes.write(writer)

        changes = self._later.after(records, target.later)
        if changes or (advances and worked):
            self._store.write(job)
        if advances:
            self._sequence = page.sequence
        written.held, written.later = self._later.held(), self._later.reasons()
        return written


def open_writing(store: Store, place: Place, user: str, password: str) -> Writing:
    """Log in at a server's administrator's socket and by its IMAP.  Raises ConnectionLost, LoginFailed."""
    client = log_in(place, user, password)
    try:
        told = client.tell("CONF LISTVAL")[0] or []
        values = dict(line.decode("utf-8", "replace").partition("|")[::2] for line in told)
        if values.get("c_journal_pubmsgs") == "1":
            raise CitadelError(f"{place}: the server mails to a journal what is posted (c_journal_pubmsgs)")
        port = values.get("c_imap_port", "")
        if not port.isdigit() or not int(port):
            raise CitadelError(f"{place}: the server has no IMAP (c_imap_port), by which messages are written into it")
        host = values.get("c_ip_addr", "")
        imap = ImapClient(Address(_LOCAL if host in _ANYWHERE else host, int(port)), user, password)
    except BaseException:
        client.channel.close()
        raise
    return Writing(store, client, imap, lambda: log_in(place, "", ""))
