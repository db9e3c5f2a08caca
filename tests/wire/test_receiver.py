"""Lines and blocks are taken out of bytes as they arrive."""

import pytest

from mirror.wire.errors import ProtocolError
from mirror.wire.receiver import Receiver

END = b"200 end"


@pytest.mark.parametrize("size", [1, 2, 5, 7, 100])
def test_all_up_to_a_line_is_there_once_that_line_is_however_it_arrives(size: int) -> None:
    receiver = Receiver()
    data = b"100 ok\nnot 200 end\n200 end.\n000\n200 end\n200 end\nnext\n"
    found = []
    for at in range(0, len(data), size):
        receiver.feed(data[at : at + size])
        while (block := receiver.take_until(END, 100)) is not None:
            found.append(block)
    assert found == [b"100 ok\nnot 200 end\n200 end.\n000\n", b""]
    assert receiver.take_line() == b"next"


def test_what_is_ended_by_no_line_is_refused_when_it_is_too_much() -> None:
    receiver = Receiver()
    receiver.feed(b"x" * 100)
    assert receiver.take_until(END, 100) is None
    receiver.feed(b"x" * 20)
    with pytest.raises(ProtocolError, match="more than 100 bytes"):
        receiver.take_until(END, 100)
