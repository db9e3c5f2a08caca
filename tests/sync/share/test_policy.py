"""What one rule lets through, and what all rules for a peer let it see and write."""

import msgspec
import pytest

from mirror.model.record import Record
from mirror.model.stamp import make_stamp
from mirror.sync.remote import Denied
from mirror.sync.share.policy import ShareScope, fades, lets, mark_of
from netconf.rules import Rule, read_rules

NOW_MS = 1_800_000_000_000
BODY = b"\xffA\0AAnn\0UNews\0Mtext\0"


def rule(options: str = "") -> Rule:
    (found,) = read_rules(f"mirror_share|b||{options}\n".encode())
    return found


def record(collection: str, key: str = "id:x", age_ms: int = 0, **how: object) -> Record:
    stamp = make_stamp(NOW_MS - age_ms)
    return Record(collection, key, stamp, "a", stamp, **how)  # type: ignore[arg-type]


def passes(options: str, one: Record, asked: bool = False) -> bool:
    return lets(rule(options), one, lambda held: held.body, NOW_MS, asked)


MESSAGE, DEAD = record("messages/a:1", body=BODY), record("messages/a:1", dead=True)
ALL = "what=messages,deletions,marks,files,settings"


@pytest.mark.parametrize(
    ("options", "one", "asked", "wanted"),
    [
        ("", MESSAGE, False, True),
        ("what=files", MESSAGE, False, False),
        ("author=Ann*", MESSAGE, False, True),
        ("author=Bob*", MESSAGE, True, False),
        ("max_age=1m", record("messages/a:1", age_ms=60_000, body=BODY), False, True),
        ("max_age=1m", record("messages/a:1", age_ms=60_001, body=BODY), True, False),
        ("", DEAD, False, True),
        ("what=messages", DEAD, True, False),
        ("author=Ann*", DEAD, False, False),
        ("author=Ann*", DEAD, True, True),
        ("since=2020-01-01", DEAD, False, True),
        ("since=2099-01-01", DEAD, False, False),
        ("since=2099-01-01", DEAD, True, True),
        (ALL + "|author=Bob*", record("files/a:1", "f.txt", body=b"x"), False, True),
        (ALL + "|max_size=1", record("files/a:1", "f.txt", body=b"xx"), False, False),
        (ALL, record("visits/a:1", "a:7 id:x"), False, True),
        (ALL, record("visits/a:1", "a:7"), True, False),
        (ALL + "|max_age=1m", record("visits/a:1", "a:7 id:x", age_ms=90_000), False, True),
        (ALL + "|max_age=1m", record("room-info", "a:1", age_ms=90_000), False, True),
        ("", record("room-info", "a:1"), False, False),
        (ALL, record("users", "a:7"), True, False),
    ],
)
def test_what_a_rule_lets_through(options: str, one: Record, asked: bool, wanted: bool) -> None:
    assert passes(options, one, asked) is wanted


@pytest.mark.parametrize(
    "one",
    [MESSAGE, record("messages/a:1", age_ms=59_000, body=BODY), record("files/a:1", "f.txt", age_ms=70_000, body=b"x")],
)
def test_a_rule_knows_the_moment_at_which_its_answer_changes(one: Record) -> None:
    limited = rule(ALL + "|max_age=1m")
    moment = fades(limited, one)
    assert moment is not None
    answers = [lets(limited, one, lambda held: held.body, at, False) for at in (moment - 1, moment)]
    assert answers == [True, False]


@pytest.mark.parametrize("one", [DEAD, record("visits/a:1", "a:7 id:x"), record("room-info", "a:1")])
def test_what_does_not_hang_on_its_age_never_fades(one: Record) -> None:
    assert fades(rule(ALL + "|max_age=1m"), one) is None
    assert fades(rule(ALL), MESSAGE) is None


def test_a_mark_changes_with_a_rule_and_not_with_names() -> None:
    assert mark_of(rule()) == mark_of(rule()._replace(node="c", remote="Elsewhere"))
    assert len({mark_of(rule(options)) for options in ("", "direction=push", "what=files", "max_age=1m", ALL)}) == 5


def test_a_scope_reads_what_is_pushed_and_admits_what_is_pulled() -> None:
    scope = ShareScope({"a:1": rule("direction=push"), "a:2": rule("direction=pull")})
    text = lambda held: held.body  # noqa: E731
    assert scope.collections() == ["messages/a:1"]
    assert scope.reads("messages/a:1") and not scope.reads("messages/a:2")
    assert not any(scope.reads(name) for name in ("messages/a:3", "rooms", "rooms/a:1", "users", "netconf/a:1", ""))
    assert scope.shown(MESSAGE, text, NOW_MS) == MESSAGE
    with pytest.raises(Denied):
        scope.admitted(MESSAGE, text, NOW_MS)
    other = record("messages/a:2", body=BODY)
    assert scope.admitted(other, text, NOW_MS) == other
    assert scope.shown(other, text, NOW_MS) is None


@pytest.mark.parametrize("number", ["²", "٣", "9" * 5000, "-1", "", [1], {}, b"5"])
def test_a_number_that_is_none_stops_no_filter(number: object) -> None:
    """It was a traceback for the link, whoever had written it: users' drafts hold it too."""
    one = record("messages/a:1", body=BODY, head=msgspec.msgpack.encode({"msg_msgnum": number}))
    assert passes("author=Ann*", one)
    assert not passes("author=Bob*", one)
