"""Reading ahead: what comes, comes in order, and so does what goes wrong."""

from collections.abc import Iterator

import gevent
import pytest

from mirror.peer.channel import ConnectionLost
from mirror.peer.prefetch import prefetch


@pytest.mark.parametrize("error", [ConnectionLost("the peer went away"), KeyError("a mistake")])
def test_an_error_comes_after_the_items_before_it_and_prints_nothing(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def items() -> Iterator[int]:
        yield from range(9)
        raise error

    came: list[int] = []
    with gevent.Timeout(10), pytest.raises(type(error), match=str(error)):
        for item in prefetch(items()):
            came.append(item)  # up to the error, which extending would lose
    assert came == list(range(9))
    gevent.idle()
    assert capsys.readouterr() == ("", "")


def test_who_stops_early_leaves_nobody_reading() -> None:
    ended: list[int] = []

    def items() -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            ended.append(1)

    ahead = prefetch(items())
    assert next(ahead) == 0
    ahead.close()  # type: ignore[attr-defined]
    gevent.idle()
    assert ended == [1]
