"""A large batch is decoded outside the hub; what is wrong with it is told, and printed nowhere."""

import gevent
import pytest

from mirror.model.errors import BadRecord
from mirror.peer.remote import DECODED_HERE, decode_page
from mirror.wire.batch import Batch
from mirror.wire.codec import checksum
from mirror.wire.errors import ProtocolError

LINE = b'{"collection":"pictures","key":"\\ud800"}\n'
WRONG = {
    "a record": (Batch({"Type": "records", "Count": "1", "Encoding": "json"}, LINE), BadRecord),
    "the count": (
        Batch({"Type": "records", "Count": "7", "Encoding": "json", "Crc": checksum([])}, b""),
        ProtocolError,
    ),
}


@pytest.mark.parametrize("what", sorted(WRONG))
@pytest.mark.parametrize("large", [False, True])
def test_a_bad_page_is_an_error_and_no_traceback(monkeypatch: pytest.MonkeyPatch, what: str, large: bool) -> None:
    printed: list[object] = []
    monkeypatch.setattr(gevent.get_hub(), "print_exception", lambda *error: printed.append(error))
    batch, error = WRONG[what]
    payload = batch.payload + b"\n" * (DECODED_HERE + 1) * large
    with pytest.raises(error):
        decode_page(Batch(batch.header, payload))
    assert printed == []
