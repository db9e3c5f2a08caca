"""Sessions as a person would type them, against a real store, over a socket pair."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import msgspec
import pytest
from exports import IMPORTED
from gevent import socket
from gevent.event import Event
from hypothesis import given, settings
from hypothesis import strategies as st
from sessions import sessions_on

from mirror.citadel.migr.importer import Importer
from mirror.config.settings import Config, ListenSettings, Peer, ReplicationSettings
from mirror.model.errors import StampAhead
from mirror.model.record import Record
from mirror.model.stamp import make_stamp
from mirror.peer.channel import Channel, ConnectionLost
from mirror.peer.dial import NotAuthenticated, authenticate
from mirror.peer.remote import ChannelRemote
from mirror.server import login
from mirror.server.lease import Lease
from mirror.server.node import Node
from mirror.server.single_user import Mode
from mirror.service.party import ADMIN, Party
from mirror.store.green import open_green
from mirror.sync.remote import StaleCursor
from mirror.wire.codec import Cursor
from mirror.wire.errors import Refused

SECRET = "a shared secret"


@pytest.fixture
def node(tmp_path: Path, export: Path) -> Iterator[Node]:
    store = open_green(tmp_path, "m")
    store.run(lambda inner: Importer(inner, "x").run([export.read_bytes()]))
    node = Node(
        Config(tmp_path, "m", replication=ReplicationSettings(keepalive_s=1), peers=[Peer("beta")]),
        {"beta": SECRET},
        store,
    )
    yield node
    for session in list(node.sessions):
        session.channel.close()
    store.close()


@pytest.fixture
def talk(node: Node, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Channel]]:
    """Opens sessions; ``party`` is logged in without asking."""
    monkeypatch.setattr(login, "FAILURE_PAUSE_S", 0.0)
    with sessions_on(node) as start:
        yield start


def say(channel: Channel, line: str) -> str:
    channel.send(line.encode() + b"\n")
    return channel.require_line().decode()


def listing(channel: Channel, line: str) -> list[str]:
    first = say(channel, line)
    assert first.startswith("1"), first
    return list(channel.read_listing())


def log_in(channel: Channel, user: str, password: str) -> str:
    assert say(channel, f"USER {user}").startswith("300")
    return say(channel, f"PASS {password}")


def test_the_seeds_example_as_typed_by_hand(talk: Callable[..., Channel]) -> None:
    channel = talk()
    assert log_in(channel, "admin", "citadel").startswith("200 admin|alpha:1|")
    assert say(channel, "SNGL 120|500").startswith("200 single-user mode for user admin")
    info = listing(channel, "SYNC users|info")
    assert [line.split("|")[0] for line in info] == ["users"]
    _name, count, _newest, crc = info[0].split("|")
    assert (int(count), len(crc)) == (10, 16)
    assert say(channel, "SYNC users|getall").startswith("100")
    assert sum(int(batch.header["Count"]) for batch in channel.read_batches()) == 10
    assert say(channel, "ESNG").startswith("200")
    assert say(channel, "QUIT").startswith("200")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("NOOP", "200"),
        ("ECHO hello | world", "200 hello|world"),
        ("TIME", "200 "),
        ("IDEN 0|8|980|x|y", "200"),
        ("XYZZ", "530"),
        ("sync users|nonsense", "512"),
        ("SYNC nonsense/|info", "512"),
        ("SYNC users/x|info", "512"),
        ("SYNC users|since|nonsense", "512"),
        ("SYNC users|since|dead:99", "576"),
        ("SYNC users|newest|x", "512"),
        ("SYNC users|newest|²", "512"),
        ("SYNC all|restore|99999999999999999999", "512"),
        ("SYNC all|info|x|y", "512"),
        ("SYNC all|body|zz", "512"),
        ("SYNC all|body|" + "0" * 64, "571"),
        ("SYNC encoding|morse", "512"),
        ("SNGL x|y", "512"),
        ("SNGL 1", "512"),
        ("ESNG", "512"),
        ("AUTH x", "541"),
        ("STLS", "530"),
    ],
)
def test_every_line_gets_an_answer(talk: Callable[..., Channel], line: str, answer: str) -> None:
    assert say(talk(ADMIN), line).startswith(answer)


def test_the_tables_are_listed(talk: Callable[..., Channel]) -> None:
    channel = talk(ADMIN)
    assert {"SNGL wait|expire", "ESNG", "SYNC type|action|..."} <= set(listing(channel, "HELP"))
    assert "users|users with their passwords as the server holds them" in listing(channel, "SYNC")
    actions = {line.split("|")[0] for line in listing(channel, "SYNC users")}
    assert {"info", "getall", "get", "since", "tail", "offer", "ranges", "body"} <= actions
    assert any(line.startswith("node=m") for line in listing(channel, "INFO"))


def test_nothing_is_told_without_a_log_in(talk: Callable[..., Channel]) -> None:
    channel = talk()
    for line in ("SYNC users|info", "SYNC all|getall", "SNGL 1|1", "ESNG", "SYNC all|status", "SYNC all|offer"):
        assert say(channel, line).startswith("520"), line


def test_log_ins_in_clear_are_refused_over_a_network(talk: Callable[..., Channel]) -> None:
    channel = talk(local=False)
    for line in ("USER admin", "PASS x", "AUTH SCRAM-SHA-256|beta|eA=="):
        assert say(channel, line).startswith("550 log-ins need TLS"), line


def test_what_administrators_are_told_may_be_long(talk: Callable[..., Channel], node: Node) -> None:
    lines = "".join(f"mirror_share|leaf{number:03d}\n" for number in range(200)).encode()
    node.store.write(lambda writer: writer.put(Record("netconf/alpha:32", "netconf", 1, "x", 1, body=lines)))
    channel = talk(ADMIN)
    channel.send(b"SYNC shares|status\n")
    (told,) = channel.read_json_listing()
    assert len(told["rooms"][0]["rules"]) == 200


def test_a_peer_proves_itself_with_scram(talk: Callable[..., Channel], node: Node) -> None:
    channel = talk()
    assert authenticate(channel, "beta", SECRET) == ("m", node.store.epoch, False, "mirror", node.identity())
    assert ChannelRemote(channel).info().digest.count == IMPORTED


@pytest.mark.parametrize(("name", "secret"), [("beta", "another secret"), ("gamma", SECRET)])
def test_a_peer_that_cannot_prove_itself_learns_nothing(talk: Callable[..., Channel], name: str, secret: str) -> None:
    channel = talk()
    with pytest.raises((NotAuthenticated, Refused), match="Unknown node or wrong secret"):
        authenticate(channel, name, secret)
    assert say(channel, "SYNC users|info").startswith("520")


def test_guessing_passwords_ends_the_session(talk: Callable[..., Channel]) -> None:
    channel = talk()
    for _ in range(login.MAX_FAILURES):
        assert log_in(channel, "admin", "wrong").startswith("540")
    assert channel.read_line() is None


def test_a_user_whose_level_is_0_does_not_log_in(talk: Callable[..., Channel], node: Node) -> None:
    node.store.write(lambda writer: writer.set_fields("users", "alpha:2", {"u_axlevel": 0}))
    assert log_in(talk(), "Alice Liddell", "pw-Alice Liddell").startswith("540")


def with_messages(lines: list[str]) -> list[str]:
    """Return the names of the rooms in a listing of digests that have messages."""
    return [line.split("|")[-1] for line in lines if line.startswith("messages/")]


def test_a_user_sees_own_and_public_rooms_only(talk: Callable[..., Channel]) -> None:
    channel = talk()
    assert log_in(channel, "nobody here", "x").startswith("540")
    assert log_in(channel, "alice liddell", "pw-Alice Liddell").startswith("200 alice liddell|alpha:2|")
    assert sorted(with_messages(listing(channel, "SYNC mailboxes|info"))) == ["Mail", "Trash"]
    assert with_messages(listing(channel, "SYNC calendars|info")) == ["Team Calendar"]
    seen = {line.split("|")[-1] for line in listing(channel, "SYNC all|info")}
    assert {"Support", "Drop Box", "Team Calendar"} <= seen
    assert not {"Aide", "Local System Configuration"} & seen
    for room in ("alpha:2", "alpha:3", "alpha:20"):
        assert say(channel, f"SYNC messages/{room}|newest").startswith(f"571 messages/{room} is not here")
    for line in ("SYNC users|getall", "SYNC config|getall"):
        assert say(channel, line).startswith("100")
        assert list(channel.read_batches()) == []
    assert say(channel, "SYNC users|get|alpha:1").startswith("571")
    assert say(channel, "SYNC rooms|newest").startswith("571")
    for line in ("SNGL 1|1", "SYNC all|pin", "SYNC all|status", "SYNC all|restore|1", "SYNC all|check"):
        assert say(channel, line).startswith("550"), line


def test_a_user_writes_only_where_allowed(talk: Callable[..., Channel]) -> None:
    user = talk()
    log_in(user, "Alice Liddell", "pw-Alice Liddell")
    remote = ChannelRemote(user)
    own = listing(user, "SYNC mailboxes|info")[0].split("|")[0]
    assert remote.overwrite([Record(own, "id:new", 1, "x", 1, body=b"\xffA\0Mhello\0")]).written == 1
    for collection in ("users", "messages/alpha:99999", "config"):
        with pytest.raises(Refused, match="571"):
            remote.overwrite([Record(collection, "id:new", 1, "x", 1)])
    (page,) = remote.get(own, ["id:new"])
    assert page.records[0].origin == "m"


def test_peers_get_what_is_committed_while_they_tail(talk: Callable[..., Channel], node: Node) -> None:
    channel = talk(Party("peer", "beta", ADMIN.scope))
    remote = ChannelRemote(channel)
    state = remote.info()
    pages = remote.tail(state.cursor)
    node.store.write(lambda writer: writer.put(Record("pictures", "k", 1, "x", 1, body=b"new")))
    page = next(page for page in pages if page.records)
    assert [record.key for record in page.records] == ["k"]
    keepalive = next(pages)
    assert keepalive.records == []
    channel.send(b"NOOP\n")
    assert [page.records for page in pages] == []
    assert say(channel, "ECHO still here") == "200 still here"


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        ("", "peer beta speaks protocol 1, this node 2: upgrade it"),
        ("IDEN 0|4|1|a client|host", "peer beta speaks protocol 1, this node 2: upgrade it"),
        ("IDEN citadel-mirror|9.0|protocol=3|mirror node|beta", "protocol 3, this node 2: upgrade this node"),
    ],
)
def test_a_peer_of_another_protocol_is_told_what_to_do(
    talk: Callable[..., Channel], monkeypatch: pytest.MonkeyPatch, agent: str, said: str
) -> None:
    channel = talk()
    if agent:
        assert say(channel, agent).startswith("200")
    monkeypatch.setattr("mirror.peer.dial.format_agent", lambda *_: agent.removeprefix("IDEN ") or "x")
    with pytest.raises(Refused, match=said) as refused:
        authenticate(channel, "beta", SECRET)
    assert refused.value.code == 577
    assert say(channel, "SYNC all|info").startswith("520")


def test_a_new_configuration_says_how_far_ahead_stamps_may_be(node: Node) -> None:
    far = make_stamp(int(time.time() * 1000) + 120_000)
    with pytest.raises(StampAhead):
        node.store.clock.observe(far)
    node.configure(Config(node.config.directory, "m", replication=ReplicationSettings(max_clock_ahead_s=300)), {})
    node.store.clock.observe(far)


def test_a_cursor_of_another_life_is_refused(talk: Callable[..., Channel]) -> None:
    remote = ChannelRemote(talk(ADMIN))
    with pytest.raises(StaleCursor):
        list(remote.since(Cursor("0123456789abcdef", 5)))


def test_the_feed_of_one_collection_ends_where_all_of_it_does(talk: Callable[..., Channel], node: Node) -> None:
    pages = list(ChannelRemote(talk(ADMIN), "floors").since(Cursor("", 0)))
    assert {record.collection for page in pages for record in page.records} == {"floors"}
    cursor = pages[-1].cursor
    assert cursor is not None
    assert cursor.sequence == node.store.read(lambda reader: reader.last_sequence())
    assert [page.records for page in ChannelRemote(talk(ADMIN), "floors").since(cursor)] == [[]]


def test_equal_digests_are_told_in_one_line(talk: Callable[..., Channel]) -> None:
    remote = ChannelRemote(talk(ADMIN))
    state = remote.info()
    assert state.collections is not None
    again = remote.info(state.digest)
    assert again.collections is None
    assert again.digest == state.digest


def test_a_pinned_session_reads_the_past(talk: Callable[..., Channel], node: Node) -> None:
    remote = ChannelRemote(talk(ADMIN))
    state = remote.pin()
    node.store.write(lambda writer: writer.put(Record("pictures", "k", 1, "x", 1, body=b"new")))
    assert remote.info().digest == state.digest
    assert say(remote.channel, "SYNC all|unpin").startswith("200")
    assert remote.info().digest != state.digest


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"Type=records\nCount=1\nEncoding=msgpack\nCrc=0\nSize=1\nDATA CHUNK 1\nxEND\n000\n", "512 a batch's payload"),
        (b"Type=drafts\nCount=1\nEncoding=msgpack\nCrc=0\nSize=1\nDATA CHUNK 1\nxEND\n000\n", "512 a batch's CRC"),
        (b"nonsense\n", "512 'nonsense'"),
    ],
)
def test_a_bad_offer_is_refused_whole(talk: Callable[..., Channel], node: Node, sent: bytes, answer: str) -> None:
    channel = talk(ADMIN)
    before = node.store.read(lambda reader: reader.root())
    assert say(channel, "SYNC all|offer").startswith("400")
    channel.send(sent)
    assert channel.require_line().decode().startswith(answer)
    assert node.store.read(lambda reader: reader.root()) == before


def test_an_overlong_line_ends_the_session_with_a_reason(talk: Callable[..., Channel]) -> None:
    channel = talk(ADMIN)
    channel.send(b"x" * 10_000)
    assert channel.require_line().startswith(b"511 a line is longer than")
    assert channel.read_line() is None


# -- single-user mode ---------------------------------------------------------------------------------


def test_single_user_mode_waits_for_users_and_refuses_new_ones(talk: Callable[..., Channel], node: Node) -> None:
    user, holder, other = talk(), talk(Party("peer", "beta", ADMIN.scope)), talk()
    log_in(user, "Alice Liddell", "pw-Alice Liddell")
    holder.send(b"SNGL 20|500\n")
    assert user.require_line().startswith(b"900 peer beta asks for single-user mode: please finish")
    assert say(other, "USER admin").startswith("552 this node is draining")
    assert say(user, "NOOP").startswith("200")
    assert say(user, "QUIT").startswith("200")
    assert holder.require_line().startswith(b"200 single-user mode")
    assert say(other, "USER admin").startswith("552 this node is single-user")
    assert say(talk(ADMIN), "SYNC all|offer").startswith("552")
    assert say(other, "NOOP").startswith("200")
    assert say(holder, "ESNG").startswith("200")
    assert say(other, "USER admin").startswith("300")


def test_single_user_mode_gives_up_when_users_stay(talk: Callable[..., Channel], node: Node) -> None:
    user, holder = talk(), talk(ADMIN)
    log_in(user, "Alice Liddell", "pw-Alice Liddell")
    assert say(holder, "SNGL 0|500").startswith("552 1 users are still logged in")
    assert say(talk(), "USER admin").startswith("300")


def test_single_user_mode_expires_and_its_holder_may_reconnect(talk: Callable[..., Channel], node: Node) -> None:
    holder = talk(Party("peer", "beta", ADMIN.scope))
    assert say(holder, "SNGL 0|1").startswith("200")
    holder.close()
    again = talk()
    assert authenticate(again, "beta", SECRET).node == "m"
    user = talk(Party("peer", "gamma", ADMIN.scope))
    assert say(user, "ESNG").startswith("550 peer beta holds")
    with gevent.Timeout(20):
        node.single_user.wait_open()
    assert say(again, "ESNG").startswith("512 not in single-user mode")


@pytest.mark.parametrize("draining", [False, True])
def test_this_machines_administrator_ends_single_user_mode_whoever_holds_it(
    talk: Callable[..., Channel], node: Node, draining: bool
) -> None:
    if draining:
        log_in(talk(), "Alice Liddell", "pw-Alice Liddell")
    holder = talk(Party("peer", "beta", ADMIN.scope))
    holder.send(f"SNGL {86_400 if draining else 0}|86400\n".encode())
    if draining:
        while node.single_user.mode is Mode.MULTI:
            gevent.sleep(0.01)
    else:
        assert holder.require_line().startswith(b"200")
        holder.close()
    assert say(talk(ADMIN), "ESNG").startswith("200")
    if draining:
        assert holder.require_line().startswith(b"552 single-user mode was ended")
    assert log_in(talk(), "admin", "citadel").startswith("200")


def test_single_user_mode_ends_with_the_peer_that_holds_it(talk: Callable[..., Channel], node: Node) -> None:
    holder = talk()
    authenticate(holder, "beta", SECRET)
    assert say(holder, "SNGL 0|86400").startswith("200")
    holder.close()
    node.configure(Config(node.config.directory, "m", peers=[Peer("beta")]), {"beta": SECRET})
    assert node.single_user.mode is Mode.SINGLE
    node.configure(Config(node.config.directory, "m"), {})
    assert node.single_user.mode is Mode.MULTI


def test_a_user_who_tails_hears_of_single_user_mode(talk: Callable[..., Channel], node: Node) -> None:
    user, holder = talk(), talk(ADMIN)
    log_in(user, "Alice Liddell", "pw-Alice Liddell")
    user.ask("SYNC all|tail|" + str(ChannelRemote(user).info().cursor), 1)
    holder.send(b"SNGL 20|500\n")
    assert [batch for batch in user.read_batches() if int(batch.header["Count"])] == []  # it has ended
    assert user.require_line().startswith(b"900 admin local asks for single-user mode: please finish")
    assert say(user, "QUIT").startswith("200")
    assert holder.require_line().startswith(b"200 single-user mode")


def test_what_is_pinned_and_not_read_is_given_back_whatever_else_is_said(
    talk: Callable[..., Channel], node: Node
) -> None:
    channel = talk(ADMIN)
    node.config = msgspec.structs.replace(node.config, listen=ListenSettings(idle_timeout_s=1))
    ChannelRemote(channel).pin()
    with pytest.raises(ConnectionLost), gevent.Timeout(20):
        while True:
            channel.ask("NOOP")
            gevent.sleep(0.02)
    assert talk(ADMIN).ask("NOOP").code == 200


def test_what_is_pinned_stays_while_it_is_read() -> None:
    clock, ended = [0.0], Event()

    class Pinned:
        generation = 0

        def read(self, job: Callable[[object], int]) -> int:
            clock[0] += 100
            gevent.sleep(0.03)
            return job(None)

        def close(self) -> None:
            pass

    lease = Lease(Pinned(), 0.01, ended.set, lambda: clock[0])  # type: ignore[arg-type]
    for number in range(3):
        assert lease.read(lambda _reader: number) == number  # noqa: B023
        assert not ended.is_set()
    clock[0] += 1
    assert ended.wait(20)
    lease.close()


TYPED = (
    "SYNC users all info get ranges body offer lacks messages/alpha:32 mailboxes calendars since :0 AUTH USER PASS "
    "ESNG SCRAM-SHA-256 HELP encoding json conflicts restore newest 1 ² ١ -1 99999999999999999999 tail pin x"
)
WORDS = st.sampled_from(TYPED.split())
LINE = st.one_of(
    st.binary(max_size=200),
    st.builds(lambda verb, rest: f"{verb} {'|'.join(rest)}".encode(), WORDS, st.lists(WORDS, max_size=4)),
)


@settings(max_examples=150)
@given(st.lists(LINE, min_size=1, max_size=4), st.booleans())
def test_whatever_is_sent_no_error_is_internal(talk: Callable[..., Channel], lines: list[bytes], trusted: bool) -> None:
    channel = talk(ADMIN if trusted else None)
    channel.send(b"\n".join(lines) + b"\n000\nQUIT\n")
    channel.socket.shutdown(socket.SHUT_WR)
    received = b""
    while block := channel.socket.recv(65536):
        received += block
    assert b"internal error" not in received
    assert b"Traceback" not in received
