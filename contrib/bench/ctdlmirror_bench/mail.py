"""A person's mail kept as a Maildir, beside isync's mbsync with Dovecot: the same messages, in one run, on loopback.

Both write durably: mbsync syncs each message and its state to the disk (its default), the client all that it wrote
before it notes that, and its state.  Neither uses TLS.
"""

import shutil
import statistics
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ctdlmirror_bench.nodes import scratch
from ctdlmirror_bench.others import Maildir, mbsync_of, scratch_maildir
from ctdlmirror_bench.person import ROOM, USER, client_command, put_account, ran
from mirror.cli.processes import NodeProcess
from mirror.client.config import MAILDIR, PairSettings
from mirror.formats.mail import MAIL_HEAD, compose_mail
from mirror.formats.room_views import VIEW_MAILBOX
from mirror.model.record import Record
from mirror.store.base import Writer
from mirror.store.open import open_store

NEW_MESSAGE = b"From: a@example.org\nSubject: new\nMessage-ID: <new-%d@big>\n\nhello\n"
ROUNDS = 5


def measure_mail(kind: str, count: int) -> dict[str, Any]:
    """Time the client and mbsync with the same messages: the first time both ways, with nothing to do, one change."""
    with ExitStack() as stack:
        mail = stack.enter_context(scratch_maildir(kind, count, "dovecot", "mbsync"))
        place = stack.enter_context(scratch())
        sent = _sent(stack, mail, place)
        node = _node_with(mail, place / "node")
        stack.callback(node.stop)
        theirs = stack.enter_context(mbsync_of(mail))
        near, far = _client(node, place / "near"), _client(node, place / "far")
        first = {"client": ran(near), "mbsync": ran(theirs)}
        ran(far)  # another machine, from which a change comes

        def change_ours(number: int) -> None:
            _deliver(place / "far" / "mail", number)
            ran(far)

        changes = {"client": change_ours, "mbsync": lambda number: _deliver(mail.directory / "source", number)}
        nothing: dict[str, list[float]] = {"client": [], "mbsync": []}
        one: dict[str, list[float]] = {"client": [], "mbsync": []}
        for number in range(ROUNDS):
            for name, command in (("client", near), ("mbsync", theirs)):
                nothing[name].append(ran(command)[0])
                changes[name](number)
                one[name].append(ran(command)[0])
    return _told(kind, count, sent, first, nothing, one)


Timed = dict[str, tuple[float, float]]
"""By program, seconds and the most memory (MB)."""


def _sent(stack: ExitStack, mail: Maildir, place: Path) -> Timed:
    """Time both programs as they send all messages of a Maildir to a server that has none."""
    node = _node_with(None, place / "empty")
    stack.callback(node.stop)
    none = stack.enter_context(scratch_maildir("small", 0))
    theirs = stack.enter_context(mbsync_of(none))
    ours = _client(node, place / "sender")
    for near in (place / "sender" / "mail", none.directory / "copy" / "INBOX"):
        shutil.copytree(mail.location, near)
    sent = {"client": ran(ours), "mbsync": ran(theirs)}
    there = sum(len(list(Path(none.location).glob(f"{name}/*"))) for name in ("cur", "new"))
    assert there == len(list(Path(mail.location).glob("cur/*"))), f"mbsync sent {there} messages"
    return sent


def _told(kind: str, count: int, sent: Timed, first: Timed, nothing: Any, one: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"what": f"{count} {kind} messages as a Maildir, beside mbsync"}
    for name in ("client", "mbsync"):
        seconds, megabytes = first[name]
        told[f"{name}_sent_s"] = round(sent[name][0], 2)
        told[f"{name}_first_s"] = round(seconds, 2)
        told[f"{name}_messages_per_s"] = round(count / seconds)
        told[f"{name}_nothing_s"] = round(statistics.median(nothing[name]), 3)
        told[f"{name}_one_change_s"] = round(statistics.median(one[name]), 3)
        told[f"{name}_peak_mb"] = round(megabytes)
    told["sent_ratio"] = round(sent["mbsync"][0] / sent["client"][0], 2)
    told["rate_ratio"] = round(first["mbsync"][0] / first["client"][0], 2)
    told["nothing_ratio"] = round(told["client_nothing_s"] / told["mbsync_nothing_s"], 2)
    return told


def _node_with(mail: Maildir | None, directory: Path) -> NodeProcess:
    """Start a node that holds what is in a Maildir in a user's inbox, all of it read; nothing where none is given."""
    node = NodeProcess(directory, "big")
    node.set_up()
    store = open_store(directory, "big")
    store.write(lambda writer: put_account(writer, "Mail", VIEW_MAILBOX))
    files = sorted(Path(mail.location, "cur").iterdir()) if mail is not None else []
    for at in range(0, len(files), 1000):
        group = [compose_mail(file.read_bytes()) for file in files[at : at + 1000]]

        def put(writer: Writer, group: list[Any] = group) -> None:
            for made in group:
                record = Record(f"messages/{ROOM}", made.key, 1, "", 1, head=MAIL_HEAD)
                writer.put(writer.store_body(record, made.body))
                writer.set_fields(f"visits/{ROOM}", f"{USER} {made.key}", {"seen": True})

        store.write(put)
    store.close()
    node.start()
    return node


def _client(node: NodeProcess, home: Path) -> list[str]:
    """Return the command that keeps a machine's Maildir equal."""
    return client_command(node, home, "mail", PairSettings(str(home / "mail"), ["mail"], kind=MAILDIR))


def _deliver(maildir: Path, number: int) -> None:
    """Have a message come into a Maildir."""
    (maildir / "new" / f"1800000000.M{number}.new").write_bytes(NEW_MESSAGE % number)
