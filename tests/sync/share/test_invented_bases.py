"""A user's draft may name any base; what comes of it is taken by the partner whose origin it names, too."""

import msgspec
import pytest
from share_ends import Stores, both, dial

from mirror.model.draft import Base, Draft
from mirror.store.base import Writer
from mirror.store.values import Acting

BODIES = {
    "messages/a:1 id:k": b"\xffA\0AAnn\0Uk\0Mtext\0",
    "messages/a:1 euid:k": b"\xffA\4\0Ek\0MContent-type: text/calendar\n\nBEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:k\n"
    b"SUMMARY:Lunch\nEND:VEVENT\nEND:VCALENDAR\n\0",
    "files/a:1 k": b"text",
}
INVENTED = {"version": Base(1, "b"), "past": Base(1, "a", (("b", 1),)), "incarnation": Base(1, "b", born=1)}
LINES = (
    "mirror_share|b|Foyer|what=messages,marks,files,deletions",
    "mirror_share|a|Lobby|what=messages,marks,files,deletions",
)


@pytest.mark.parametrize("base", INVENTED.values(), ids=INVENTED)
@pytest.mark.parametrize("what", [*BODIES, "visits/a:1 ann id:k"])
def test_a_base_that_names_the_partners_origin_jams_nothing(pair: Stores, what: str, base: Base) -> None:
    a, b = pair
    both(pair, *LINES)
    dial(a, b)
    collection, _, key = what.partition(" ")
    draft = Draft(collection, key, base, head=msgspec.msgpack.encode({"seen": 1}))
    if what in BODIES:
        draft = Draft(collection, key, base, body=BODIES[what])

    def write(writer: Writer) -> None:
        writer.act_for(Acting("user eve", 1000, 1000))
        writer.write(draft)

    a.write(write)
    dial(b, a)
    assert b.read(lambda reader: reader.aside_counts()) == {}
    written = a.read(lambda reader: reader.get(collection, key))
    taken = b.read(lambda reader: reader.get(collection.replace("a:1", "b:9"), key))
    assert written is not None and taken is not None and taken.body == written.body and taken.version == written.version
