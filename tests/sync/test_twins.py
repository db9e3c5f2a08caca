"""Two nodes of one name, decided over real stores: who is served, who is refused, and what is remembered of whom."""

from collections.abc import Callable, Sequence

import pytest

from mirror.model.record import Record
from mirror.store.renew import renew
from mirror.store.sqlite.store import SqliteStore
from mirror.store.values import PULL, StoredCursor
from mirror.sync.clock import ClockDoubted
from mirror.sync.reconcile import reconcile
from mirror.sync.responder import Responder
from mirror.sync.twins import (
    KEPT_MS,
    MAX_REPLACED,
    Known,
    Life,
    NotNow,
    Twins,
    TwoOfOneName,
    read_identity,
    written_elsewhere,
)
from mirror.wire.values import Identity

Make = Callable[..., SqliteStore]
NOW = 1_800_000_000_000


class Line:
    """A connection, whose other end lives or not."""

    def __init__(self, instance: str, lives: bool = True) -> None:
        self.instance = instance
        self.lives = lives
        self.ended = False

    def end(self) -> None:
        self.ended = True


def ask(lines: Sequence[Line]) -> Life:
    return Life.ANSWERS if any(line.lives for line in lines) else Life.GONE


@pytest.fixture
def main(make_store: Make) -> SqliteStore:
    return make_store("main", now_ms=lambda: NOW)


@pytest.fixture
def twins(main: SqliteStore) -> Twins[Line]:
    return Twins(main, ask)


def come(twins: Twins[Line], told: Identity, lives: bool = True, peer: str = "beta") -> Line:
    line = Line(told.instance, lives)
    twins.admit(peer, told, twins.recall(peer), line)
    return line


# -- one instance at a time ---------------------------------------------------------------------------


def test_another_instance_is_refused_while_the_older_one_answers(twins: Twins[Line]) -> None:
    older = come(twins, Identity("i1", "e"))
    with pytest.raises(
        TwoOfOneName, match="two nodes call themselves beta: another one is connected to main and answers"
    ):
        come(twins, Identity("i2", "e"))
    assert not older.ended
    assert come(twins, Identity("i1", "e")) is not older  # the same one may have several connections
    assert come(twins, Identity("i2", "e"), peer="gamma")  # and another name is another node


def test_another_instance_takes_the_place_of_one_that_does_not_answer(twins: Twins[Line]) -> None:
    older = [come(twins, Identity("i1", "e"), lives=False) for _ in range(3)]
    come(twins, Identity("i2", "e"))
    assert all(line.ended for line in older)
    with pytest.raises(TwoOfOneName):
        come(twins, Identity("i1", "e"))


def test_who_has_left_is_in_nobodys_way_and_neither_is_who_was_refused(twins: Twins[Line]) -> None:
    older = come(twins, Identity("i1", "e"))
    refused = Line("i2")
    with pytest.raises(TwoOfOneName):
        twins.admit("beta", Identity("i2", "e"), twins.recall("beta"), refused)
    twins.leave("beta", refused)
    twins.leave("beta", older)
    come(twins, Identity("i3", "e"))


def test_of_two_that_come_while_the_older_one_is_asked_one_is_let_in(main: SqliteStore) -> None:
    """The second one comes in the middle of asking for the first."""

    def asks(lines: Sequence[Line]) -> Life:
        if lines[0].instance == "i1" and not let_in:
            let_in.append("i3")
            come(twins, Identity("i3", "e"))
        return ask(lines)

    let_in: list[str] = []
    twins: Twins[Line] = Twins(main, asks)
    come(twins, Identity("i1", "e"), lives=False)
    with pytest.raises(TwoOfOneName):
        come(twins, Identity("i2", "e"))


def test_where_just_a_machine_answers_nobody_is_refused_for_good(main: SqliteStore) -> None:
    life = Life.REACHED
    twins: Twins[Line] = Twins(main, lambda _lines: life)
    older = come(twins, Identity("i1", "e"))
    with pytest.raises(NotNow, match="does not answer, but is open still"):
        come(twins, Identity("i2", "e"))
    assert twins.notes() == []
    life = Life.GONE
    come(twins, Identity("i2", "e"))
    assert older.ended


def test_who_was_refused_exchanges_nothing_before_it_is_renewed(make_store: Make) -> None:
    beta = make_store("beta")
    Twins(beta, ask).was_refused("main", "two nodes call themselves beta")
    twins: Twins[Line] = Twins(beta, ask)  # also after a restart
    assert twins.notes() == ["main has refused this node: two nodes call themselves beta"]
    with pytest.raises(NotNow, match="main has refused this node"):
        come(twins, Identity("i1", "e"), peer="gamma")
    beta.renew_epoch()  # as repairing the clock does: what was written here is still of the origin of both
    assert Twins(beta, ask).refused
    renew(beta, 0, lambda _done: None)
    come(Twins(beta, ask), Identity("i1", "e"), peer="gamma")


# -- what is remembered -------------------------------------------------------------------------------


def test_an_epoch_that_was_replaced_is_refused_also_after_a_restart(twins: Twins[Line], main: SqliteStore) -> None:
    twins.leave("beta", come(twins, Identity("i1", "e1", 7)))
    twins.leave("beta", come(twins, Identity("i2", "e2", 3)))
    with pytest.raises(TwoOfOneName, match="its store is in epoch e1, which e2 has replaced"):
        come(Twins(main, ask), Identity("i3", "e1", 9))
    come(twins, Identity("i4", "e2", 3))


def test_an_epoch_of_which_a_cursor_was_kept_counts_as_known(twins: Twins[Line], main: SqliteStore) -> None:
    """As with a peer that was met by an earlier version."""
    main.write(lambda writer: writer.set_cursor("beta", PULL, StoredCursor("e1", 5, True)))
    twins.leave("beta", come(twins, Identity("i1", "e2", 3)))
    with pytest.raises(TwoOfOneName, match="e2 has replaced"):
        come(twins, Identity("i2", "e1", 9))


def test_a_feed_that_goes_back_within_one_epoch_is_refused(twins: Twins[Line], main: SqliteStore) -> None:
    twins.leave("beta", come(twins, Identity("i1", "e", 7)))
    for behind in (Identity("i2", "e", 6), Identity("i1", "e", 6)):
        with pytest.raises(TwoOfOneName, match="its feed ends at 6, and had come to 7 in the same epoch"):
            come(Twins(main, ask), behind)
    twins.leave("beta", come(twins, Identity("i2", "e", 7)))
    main.write(lambda writer: writer.set_cursor("beta", PULL, StoredCursor("e", 9, True)))
    with pytest.raises(TwoOfOneName, match="had come to 9"):
        come(twins, Identity("i2", "e", 8))


def test_what_was_read_after_it_was_asked_is_no_contradiction(twins: Twins[Line], main: SqliteStore) -> None:
    known = twins.recall("beta")
    told = Identity("i1", "e", 7)
    main.write(lambda writer: writer.set_cursor("beta", PULL, StoredCursor("e", 9, True)))
    twins.admit("beta", told, known, Line("i1"))


def test_a_sign_of_life_older_than_one_that_came_here_is_refused(
    twins: Twins[Line], main: SqliteStore, make_store: Make
) -> None:
    """The later one was written by a copy that is connected elsewhere, and came by a third node."""
    beta, copy = (make_store("beta", now_ms=lambda: NOW, new_epoch=lambda: "e") for _ in range(2))
    beta.write(lambda writer: writer.beat())
    copy.write(lambda writer: [writer.beat(), writer.put(Record("messages/r", "id:1", 1, "x", 1)), writer.beat()])
    twins.leave("beta", come(twins, beta.read(lambda reader: read_identity(reader, "i1"))))
    reconcile(main, Responder(copy), "gamma")
    with pytest.raises(TwoOfOneName, match="its last sign of life is older than one that came here"):
        come(twins, beta.read(lambda reader: read_identity(reader, "i1")))
    come(twins, copy.read(lambda reader: read_identity(reader, "i2")))


def test_a_sign_of_life_that_was_not_written_here_shows_a_copy_and_does_not_count_as_our_own(make_store: Make) -> None:
    beta, copy = (make_store("beta", now_ms=lambda: NOW, new_epoch=lambda: "e") for _ in range(2))
    first = beta.write(lambda writer: writer.beat())
    assert beta.read(written_elsewhere) == ""
    copy.write(lambda writer: [writer.put(Record("messages/r", "id:1", 1, "x", 1)), writer.beat()])
    reconcile(beta, Responder(copy), "gamma")
    assert "a sign of life of beta came here which was not written here" in beta.read(written_elsewhere)
    assert beta.read(lambda reader: read_identity(reader, "i")).sign == first.stamp
    beta.renew_epoch()
    assert beta.read(written_elsewhere) == ""
    renewed = beta.read(lambda reader: read_identity(reader, "i"))
    assert (renewed.origin, renewed.sign) == (f"beta~{beta.epoch[:8]}", 0)


def test_who_cannot_be_written_down_is_let_in_and_remembered_all_the_same(
    twins: Twins[Line], main: SqliteStore
) -> None:
    def doubt() -> None:
        raise ClockDoubted("nobody knows what time it is")

    main.clock.check = doubt
    twins.leave("beta", come(twins, Identity("i1", "e1", 7)))
    twins.leave("beta", come(twins, Identity("i2", "e2", 7)))
    with pytest.raises(TwoOfOneName, match="e2 has replaced"):
        come(twins, Identity("i3", "e1", 9))
    main.clock.check = lambda: None
    twins.leave("beta", come(twins, Identity("i2", "e2", 7)))
    assert Twins(main, ask).recall("beta") == Known("e2", 7, ("e1",))


def test_who_says_nothing_new_is_not_written_down_again(twins: Twins[Line], main: SqliteStore) -> None:
    commits: list[None] = []
    come(twins, Identity("i1", "e", 7, "beta", 3))
    main.watch(lambda: commits.append(None))
    come(twins, Identity("i1", "e", 7, "beta", 3))
    come(twins, Identity("i1"))  # as who tells neither epoch nor feed
    assert commits == []


def test_just_so_many_replaced_epochs_are_remembered() -> None:
    known = Known()
    for number in range(MAX_REPLACED + 10):
        known = known.joined(Identity("i", f"e{number}"))
    assert len(known.replaced) == MAX_REPLACED
    assert known.replaced[-1] == f"e{MAX_REPLACED + 8}"


# -- what is told of it -------------------------------------------------------------------------------


def test_what_was_noticed_is_told_for_an_hour_with_how_often(make_store: Make) -> None:
    now = NOW
    twins: Twins[Line] = Twins(make_store("main", now_ms=lambda: now), ask)
    come(twins, Identity("i1", "e"))
    for _ in range(2):
        with pytest.raises(TwoOfOneName):
            come(twins, Identity("i2", "e"))
        now += KEPT_MS - 1
    (told,) = twins.notes()
    assert told.startswith("two nodes call themselves beta") and told.endswith("(noticed 2 times)")
    now += 1
    assert twins.notes() == []


def test_what_was_noticed_is_told_no_more_once_a_new_epoch_was_let_in(twins: Twins[Line]) -> None:
    older = come(twins, Identity("i1", "e1"))
    with pytest.raises(TwoOfOneName):
        come(twins, Identity("i2", "e1"))
    twins.leave("beta", older)
    come(twins, Identity("i2", "e2"))
    assert twins.notes() == []
