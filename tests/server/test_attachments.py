"""Servers that are followed: begun, paused, changed, claimed and lost, and told of, each without disturbing others."""

from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from gevent.event import Event
from gevent.queue import Queue
from sessions import sessions_on

from mirror.addresses import ServerPlace
from mirror.config.changing import save_attachment
from mirror.config.reading import template
from mirror.config.secrets import save_password
from mirror.config.settings import Attachment, Config, ReplicationSettings
from mirror.peer.channel import Channel, ConnectionLost
from mirror.server.attachments import Attachments
from mirror.server.node import Node
from mirror.service.party import ADMIN
from mirror.store.base import Store
from mirror.store.green import GreenStore, open_green
from mirror.sync.claims import claim, read_claim
from mirror.wire.status import AttachmentStatus, ClaimStatus, HeldStatus, parse_json

TIMEOUT_S = 10
SETTINGS = ReplicationSettings(retry_min_s=0.01, retry_max_s=60)  # a failure is forgiven after the greatest
ALPHA = Attachment("alpha", ServerPlace(Path("/run/alpha")))
BETA = Attachment("beta", ServerPlace(Path("/run/beta"), "admin"))


class Scripted:
    """Follows what a test says: each that was begun is put into ``begun``, and ends once it is told to."""

    begun: "Queue[Scripted]"

    def __init__(self, store: Store, one: Attachment, password: str) -> None:
        self.store, self.one, self.password = store, one, password
        self.lost = Event()
        self.held: list[HeldStatus] = []
        self.looked = 0.0
        self.verdict = ""

    def ask_name(self) -> str:
        return f"citadel:{self.one.name}"

    def run(self) -> None:
        Scripted.begun.put(self)
        self.lost.wait()
        raise ConnectionLost(f"{self.one.name} is gone")

    def describe(self, status: AttachmentStatus) -> None:
        status.phase, status.server, status.held, status.looked = "following", self.one.name, self.held, self.looked

    def approve(self) -> bool:
        self.verdict = "approved"
        return bool(self.held)

    def refuse(self) -> bool:
        self.verdict = "refused"
        return bool(self.held)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node that follows nothing yet."""
    Scripted.begun = Queue()
    config = Config(tmp_path, "m", replication=SETTINGS)
    (tmp_path / "mirror.toml").write_text(template(config))
    store = open_green(tmp_path, "m")
    node = Node(config, {}, store)
    yield node
    node.attachments.stop()
    store.close()


def start(node: Node, *attachments: Attachment) -> None:
    node.config = Config(node.config.directory, "m", replication=SETTINGS, attachments=list(attachments))
    node.attachments.start(Scripted, node.single_user.wait_open, node.config, {"beta": "pw"})


def begun() -> Scripted:
    """Return the next that was begun."""
    return Scripted.begun.get(timeout=TIMEOUT_S)


def status(node: Node, name: str = "alpha") -> AttachmentStatus:
    return next(one for one in node.attachments.statuses() if one.name == name)


def wait_for(store: GreenStore, holds: Callable[[], bool]) -> None:
    """Wait until a condition comes to hold; greenlets run meanwhile."""
    with gevent.Timeout(TIMEOUT_S):
        while not holds():
            gevent.idle()


def test_one_that_is_lost_is_begun_again_and_the_other_goes_on_undisturbed(node: Node) -> None:
    start(node, ALPHA, BETA)
    followers = {one.one.name: one for one in (begun(), begun())}
    assert followers["beta"].password == "pw"
    followers["alpha"].looked = 1e9
    followers["alpha"].lost.set()
    assert begun().one == ALPHA
    assert status(node).looked == 1e9  # until there is something newer to tell
    assert (status(node).phase, status(node, "beta").phase) == ("following", "following")
    assert Scripted.begun.empty()


def test_who_follows_has_claimed_the_server(node: Node) -> None:
    start(node, ALPHA)
    begun()
    held = node.store.read(lambda reader: read_claim(reader, "citadel:alpha"))
    assert held is not None
    assert (held.node, held.name, held.door) == ("m", "alpha", "citadel:///run/alpha")


def test_a_server_that_another_node_follows_is_let_alone_until_it_is_free(node: Node) -> None:
    start(node, ALPHA)
    begun()
    node.store.write(lambda writer: claim(writer, "citadel:alpha", "other", "x", "citadel:///x", take_over=True))
    wait_for(node.store, lambda: "is attached to node other as x" in status(node).error)
    assert Scripted.begun.empty()
    node.store.write(lambda writer: writer.delete("places", "citadel:alpha"))
    assert begun().one == ALPHA


def test_what_is_paused_stays_so_after_a_restart(node: Node) -> None:
    start(node, ALPHA)
    begun()
    node.attachments.pause("alpha")
    assert (status(node).phase, status(node).paused) == ("paused", True)
    again = Attachments(node.store, node.faults, node.config)
    again.start(Scripted, node.single_user.wait_open, node.config, {})
    assert again.statuses()[0].phase == "paused"
    assert Scripted.begun.empty()
    again.resume("alpha")
    assert begun().one == ALPHA
    assert again.statuses()[0].phase == "following"
    again.stop()


def test_a_reload_begins_anew_just_what_was_changed(node: Node) -> None:
    start(node, ALPHA, BETA)
    begun(), begun()
    directory = node.config.directory
    changed = Attachment("beta", BETA.place, rooms=("x*",))
    gamma = Attachment("gamma", ServerPlace(Path("/run/gamma")))
    for one in (ALPHA, changed, gamma):
        save_attachment(directory, one)
    save_password(directory, "beta", "pw")
    node.reload_attachments()
    assert {one.one for one in (begun(), begun())} == {changed, gamma}
    save_password(directory, "beta", "another")
    node.reload_attachments()
    assert (begun().password, Scripted.begun.empty()) == ("another", True)


def test_what_is_removed_ends(node: Node) -> None:
    start(node, ALPHA)
    follower = begun()
    node.reload_attachments()
    assert node.attachments.statuses() == []
    follower.lost.set()
    gevent.idle()
    assert Scripted.begun.empty()


def test_nothing_is_written_in_single_user_mode(node: Node) -> None:
    start(node, ALPHA)
    store = begun().store
    node.single_user.enter("somebody", 0, 60, lambda text: None)
    writing = gevent.spawn(store.write, lambda writer: writer.set_meta("x", "y"))
    gevent.idle()
    node.store.write(lambda writer: None)  # with which, or before which, whatever was to be written is
    assert node.store.read(lambda reader: reader.meta_text("x")) == ""
    node.attachments.pause("alpha")  # which waits for nothing
    node.single_user.leave("somebody")
    writing.get(timeout=TIMEOUT_S)
    assert node.store.read(lambda reader: reader.meta_text("x")) == "y"


# -- as an administrator asks -------------------------------------------------------------------------


@pytest.fixture
def talk(node: Node) -> Iterator[Channel]:
    """The administrator's connection."""
    with sessions_on(node) as start:
        yield start(ADMIN)


def say(channel: Channel, line: str) -> str:
    channel.send(f"{line}\n".encode())
    return channel.require_line().decode()


def listing(channel: Channel, line: str) -> list[str]:
    assert say(channel, line).startswith("1")
    return list(channel.read_listing(1 << 20))


def test_an_administrator_sees_pauses_and_decides(node: Node, talk: Channel) -> None:
    start(node, ALPHA)
    follower = begun()
    follower.held = [HeldStatus("messages/r", 30, 40)]
    (told,) = (parse_json(line, AttachmentStatus) for line in listing(talk, "SYNC attachments|status"))
    assert (told.name, told.place, told.server, told.held) == ("alpha", "citadel:///run/alpha", "alpha", follower.held)
    assert say(talk, "SYNC attachments|approve|alpha") == "200 alpha"
    assert follower.verdict == "approved"
    assert say(talk, "SYNC attachments|refuse|alpha") == "200 alpha"
    assert follower.verdict == "refused"
    assert say(talk, "SYNC attachments|pause|alpha") == "200 alpha"
    assert say(talk, "SYNC attachments|approve|alpha").startswith("552 alpha is not followed now")
    assert say(talk, "SYNC attachments|resume|alpha") == "200 alpha"
    begun()
    assert say(talk, "SYNC attachments|refuse|alpha") == "571 nothing of alpha is held back"


@pytest.mark.parametrize("action", ["pause", "resume", "approve", "refuse"])
def test_what_is_not_attached_is_named_with_what_is(node: Node, talk: Channel, action: str) -> None:
    start(node, ALPHA)
    assert say(talk, f"SYNC attachments|{action}|nobody") == "571 there is no attachment 'nobody'; there are: alpha"


def test_a_server_that_cannot_be_rehearsed_is_named_and_the_session_goes_on(talk: Channel, tmp_path: Path) -> None:
    assert say(talk, f"SYNC attachments|rehearse|citadel://{tmp_path}").startswith("800 ")
    talk.send(b"\n*\n000\n")
    assert f"552 {tmp_path}/citadel-admin.socket cannot be reached" in talk.require_line().decode()
    assert say(talk, "SYNC attachments|rehearse|nonsense").startswith("512 'nonsense' is no citadel://")
    assert say(talk, "NOOP").startswith("200")


def test_claims_are_made_told_refused_and_given_up(node: Node, talk: Channel) -> None:
    node.store.write(lambda writer: claim(writer, "citadel:b", "other", "x", "citadel:///x"))
    assert say(talk, "SYNC attachments|claim|citadel:a|alpha|citadel:///a") == "200 citadel:a"
    refused = say(talk, "SYNC attachments|claim|citadel:b|beta|citadel:///b")
    assert refused.startswith("550 citadel:b is attached to node other as x since ")
    claims = [parse_json(line, ClaimStatus) for line in listing(talk, "SYNC attachments|claims")]
    assert [(one.place, one.node, one.name) for one in claims] == [
        ("citadel:a", "m", "alpha"),
        ("citadel:b", "other", "x"),
    ]
    assert say(talk, "SYNC attachments|claim|citadel:b|beta|citadel:///b|take-over") == "200 citadel:b"
    assert say(talk, "SYNC attachments|claim|citadel:b|other|citadel:///b").startswith("550 ")
    assert say(talk, "SYNC attachments|release|beta") == "200 1"
    assert say(talk, "SYNC attachments|release|beta") == "200 0"
    assert [parse_json(line, ClaimStatus).place for line in listing(talk, "SYNC attachments|claims")] == ["citadel:a"]
