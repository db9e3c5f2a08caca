"""What once stopped replication for good, what mends it, and which short form notices when that mend is taken out.

Taking out means to have a named function do what it did before, or nothing; see taking_out.py.
"""

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from gevent.event import AsyncResult

sys.path.insert(0, str(Path(__file__).parent))

from forms import DAMAGED, DIALLED, FUZZED, RELOADED, Form, simulated

from mirror.config.settings import SHARE, Config
from mirror.model.errors import BadRecord, StampAhead
from mirror.model.merge import Merged, merge
from mirror.model.record import MAX_PAST, Past, Record, Version, validate
from mirror.model.stamp import describe_ahead, stamp_ms
from mirror.peer.supervision import Supervisor
from mirror.server.node import Node
from mirror.server.session import Session
from mirror.simulation.attacks import (
    a_clock_that_is_wrong_at_a_start,
    a_clock_that_was_believed,
    a_horizon_of_a_later_birth,
    a_horizon_that_is_deleted,
    a_key_with_a_nul,
    a_node_that_was_behind,
    a_partner_a_little_ahead,
    a_partner_that_was_ahead,
    a_post_and_a_sign_from_the_future,
    an_old_version_in_a_crowd,
    conflicts_of_a_partner,
    full_of_fields,
    full_of_properties,
    garbage_among_what_is_right,
    invented_origins_of_a_partner,
    origins_of_a_user,
    too_many_fields,
    two_full_pasts,
    two_nodes_of_one_name,
    values_of_any_type,
)
from mirror.store.sqlite.reader import Names
from mirror.store.values import Aside


class Mend(NamedTuple):
    """A mend: the fault that it mends, and how it is taken out: names, and what stands there instead."""

    fault: str
    mend: str
    out: Mapping[str, Any]
    form: Form
    says: str
    """What the form says then, among other things."""


# -- what nodes did before ----------------------------------------------------------------------------


class AnyField(NamedTuple):
    """A field whose value may be anything."""

    value: Any
    stamp: int
    origin: str


def nothing(*_arguments: object) -> None:
    """Do nothing, and find nothing wrong."""


ANY_VALUES = {
    "mirror.model.fields._decoder": msgspec.msgpack.Decoder(dict[str, AnyField]),
    "mirror.model.fields._check_value": nothing,
}


def validated_but_for_nuls(record: Record) -> None:
    validate(msgspec.structs.replace(record, key=record.key.replace("\0", "x")))


def uncut_past(vector: Mapping[str, int], version: Version, _least: int = 0) -> Past:
    return tuple(sorted((name, stamp) for name, stamp in vector.items() if name != version.origin))


def past_without_the_least(vector: Mapping[str, int], version: Version, _least: int = 0) -> Past:
    entries = sorted((stamp, name) for name, stamp in vector.items() if name != version.origin)
    return tuple(sorted((name, stamp) for stamp, name in entries[-MAX_PAST:]))


def all_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    return dict(fields)


def merged_unseen(store: Any, current: Record, record: Record) -> Merged:
    return merge(current, record, store.body, store.store_body)


def refuse_all(*_arguments: object) -> Any:
    raise BadRecord("a record that cannot be taken")


def wait_for_all(sorting: Any, _source: object, pairs: Sequence[tuple[Record, int]]) -> Any:
    early = [record for record, _ in pairs if record.stamp > sorting._clock.limit()]
    if early:
        soonest = min(record.stamp for record in early)
        raise StampAhead(describe_ahead(soonest, sorting._clock), stamp_ms(soonest) - stamp_ms(sorting._clock.limit()))
    return pairs, []


def due_of_mirrors(store: Any, now_ms: int | None) -> list[Aside]:
    due: list[Aside] = store.select_aside("due > 0 AND due <= ?", (now_ms or 0,), -1)
    return [one for one in due if one.mirror]


@contextmanager
def open_listing(session: Session) -> Iterator[None]:
    yield
    session.channel.end_listing()


def name_of_number(names: Names, connection: Any, number: int) -> str:
    found = connection.execute(f"SELECT name FROM {names._table} WHERE id = ?", (number,)).fetchone()
    if found is None:
        raise KeyError(number)
    return str(found[0])


def configure_all_but_clocks(node: Node, config: Config, secrets: dict[str, str]) -> None:
    node.config, node.secrets = config, secrets
    node.credentials.configure(config.peers, secrets)
    node.sharing.configure([peer.name for peer in config.peers if peer.kind == SHARE])


def run_until_it_raises(worker: Callable[[], None], ended: AsyncResult) -> None:
    worker()
    ended.set(None)


def try_and_log_in_full(supervisor: Supervisor, work: Callable[[], None]) -> None:
    try:
        work()
    except Exception:
        logging.getLogger("mirror.link").exception("%s was lost", supervisor._name)


MENDS: tuple[Mend, ...] = (
    Mend(
        "a user's draft with a value that is a list, a map, None or a fraction",
        "the types of values",
        ANY_VALUES,
        FUZZED,
        "of the type",
    ),
    Mend(
        "a draft of what no node takes",
        "the judge of what is written",
        {"mirror.store.ledger.merging.judge": nothing, "mirror.store.ledger.editing.judge": nothing},
        FUZZED,
        "",
    ),
    Mend(
        "a peer's page of what no node takes",
        "the judge of pages",
        {"mirror.wire.codec.judge": nothing},
        FUZZED,
        "",
    ),
    Mend(
        "a draft with more fields than a record may have",
        "the number of fields",
        {"mirror.model.fields.cut_fields": all_fields},
        FUZZED,
        "it has 24000 fields",
    ),
    Mend(
        "a head that JSON cannot say",
        "saying heads as base64",
        {"mirror.wire.readable._can_be_said": lambda _value: True},
        FUZZED,
        "JSON serializable",
    ),
    Mend(
        "half a surrogate pair in JSON",
        "the judge of texts",
        {"mirror.wire.readable._text": lambda value: value},
        FUZZED,
        "surrogates not allowed",
    ),
    Mend(
        "a number of more than 64 bits in JSON",
        "the bound of numbers",
        {"mirror.wire.readable._number": int},
        FUZZED,
        "internal error",
    ),
    Mend(
        "a listing that cannot go on",
        "the line that says why, and its end",
        {"mirror.server.session.Session.in_listing": open_listing},
        DAMAGED,
        "hangs",
    ),
    Mend(
        "a record of an origin that is not there",
        "the error in a line",
        {"mirror.store.sqlite.reader.Names.resolve": name_of_number},
        DAMAGED,
        "KeyError",
    ),
    Mend(
        "a damaged index",
        "the database's own check",
        {"mirror.store.sqlite.reader.SqliteReader.damage": lambda _reader: []},
        DAMAGED,
        "check finds nothing",
    ),
    Mend(
        "what an older version let in",
        "the judge in check",
        {"mirror.store.check.finding": lambda _record: ""},
        DAMAGED,
        "check finds nothing",
    ),
    Mend(
        "what an older version let in, for good",
        "mending by check --mend",
        {"mirror.store.mend.finding": lambda _record: ""},
        DAMAGED,
        "check --mend leaves",
    ),
    Mend(
        "a field with a value that is a list, a map, None or a fraction",
        "the types of values",
        ANY_VALUES,
        simulated(values_of_any_type),
        "of the type",
    ),
    Mend(
        "a NUL in a key",
        "the judge of keys",
        {"mirror.model.judge.validate": validated_but_for_nuls},
        simulated(a_key_with_a_nul),
        "with a NUL",
    ),
    Mend(
        "more fields than a record may have",
        "the number of fields",
        {"mirror.model.fields.cut_fields": all_fields},
        simulated(too_many_fields),
        "it has 300 fields",
    ),
    Mend(
        "two records full of fields",
        "the cut of fields in merging",
        {"mirror.model.merge.cut_fields": all_fields},
        simulated(full_of_fields),
        "not equal",
    ),
    Mend(
        "a merge that makes what nobody takes",
        "the judge of results, and the cut",
        {"mirror.model.merge.cut_fields": all_fields, "mirror.store.ledger.merging.Merging._merged": merged_unseen},
        simulated(full_of_fields),
        "it has 256 fields",
    ),
    Mend(
        "two items full of properties",
        "the cut of parts",
        {"mirror.model.parts.cut_parts": lambda parts: parts},
        simulated(full_of_properties),
        "not equal",
    ),
    Mend(
        "two pasts of 1024 origins each",
        "the cut of pasts",
        {"mirror.model.merge.past_of": uncut_past, "mirror.model.edit.past_of": uncut_past},
        simulated(two_full_pasts),
        "not equal",
    ),
    Mend(
        "a past that forgets its oldest origin",
        "the least stamp of a past",
        {"mirror.model.merge.past_of": past_without_the_least},
        simulated(an_old_version_in_a_crowd),
        "says that it is of",
    ),
    Mend(
        "a partner's messages with invented origins",
        "the bound of origins",
        {"mirror.store.ledger.sorting.Sorting._sort_origins": lambda _self, _source, pairs, _aside: pairs},
        simulated(invented_origins_of_a_partner),
        "origins came through shared rooms",
    ),
    Mend(
        "signs of life that name a partner's origins",
        "naming mirrors alone",
        {"mirror.model.nodes._of_mirrors": lambda heard, _origin: heard.newest},
        simulated(invented_origins_of_a_partner),
        "a sign of life names",
    ),
    Mend(
        "a page with one record that cannot be taken",
        "setting aside",
        {"mirror.wire.codec._sort_out": refuse_all},
        simulated(garbage_among_what_is_right),
        "which was right",
    ),
    Mend(
        "a record that cannot be taken, and is gone",
        "setting aside",
        {"mirror.store.ledger.admitting.Admitting._set_aside": nothing},
        simulated(garbage_among_what_is_right),
        "set aside of m is",
    ),
    Mend(
        "a sign of life of a mirror of which something is set aside",
        "waiting with signs of life",
        {"mirror.store.sqlite.reader.SqliteReader.lacking": lambda _reader, _peer: False},
        simulated(garbage_among_what_is_right),
        "of which it lacks something",
    ),
    Mend(
        "a post and a sign of life from the future",
        "setting aside what is far ahead",
        {"mirror.store.ledger.sorting.Sorting._sort_early": wait_for_all},
        simulated(a_post_and_a_sign_from_the_future),
        "lacks files/a:1 of now",
    ),
    Mend(
        "a horizon that a mirror deleted",
        "the judge of horizons",
        {"mirror.model.judge._judge_sign": nothing},
        simulated(a_horizon_that_is_deleted),
        "two horizons",
    ),
    Mend(
        "a horizon that a mirror dated",
        "the judge of horizons",
        {"mirror.model.judge._judge_sign": nothing},
        simulated(a_horizon_of_a_later_birth),
        "a horizon that is born at 2",
    ),
    Mend(
        "a partner that was minutes ahead",
        "setting aside what is far ahead",
        {"mirror.store.ledger.sorting.Sorting._sort_early": wait_for_all},
        simulated(a_partner_that_was_ahead),
        "does not come to",
    ),
    Mend(
        "a node that was minutes behind its partner",
        "coming again of what was set aside",
        {"mirror.store.sqlite.tables.SqliteWriter.due_aside": due_of_mirrors},
        simulated(a_node_that_was_behind),
        "lacks files/a:1 of then",
    ),
    Mend(
        "a partner that is a little ahead",
        "waiting for a partner's stamps",
        {"mirror.store.ledger.sorting.Sorting._sort_early": lambda _self, _source, pairs: (pairs, [])},
        simulated(a_partner_a_little_ahead),
        "its clock was moved ahead",
    ),
    Mend(
        "a clock that is 400 days ahead for two seconds at a start",
        "writing nothing by a doubted clock",
        {"mirror.sync.clock.ClockGuard.check": nothing},
        simulated(a_clock_that_is_wrong_at_a_start),
        "by a clock that is days off",
    ),
    Mend(
        "a node that says it is well though its clock is days off",
        "the notes of a clock",
        {"mirror.sync.clock.ClockGuard.notes": lambda _guard: []},
        simulated(a_clock_that_is_wrong_at_a_start),
        "nothing to tell of a clock",
    ),
    Mend(
        "a longer max_clock_ahead_s that is not read anew",
        "taking it over",
        {"mirror.server.node.Node.configure": configure_all_but_clocks},
        RELOADED,
        "though the configuration lets it",
    ),
    Mend(
        "a peer's bad page, or a lost connection, that prints a traceback",
        "handing on what ends a link's workers",
        {"mirror.peer.supervision._run_until_end": run_until_it_raises},
        DIALLED,
        "Traceback",
    ),
    Mend(
        "a peer's large bad page that prints a traceback",
        "handing on what is raised in a thread",
        {"mirror.peer.remote.run_in": lambda pool, job: pool.spawn(job).get()},
        DIALLED,
        "Traceback",
    ),
    Mend(
        "a link that ends with a traceback in the log",
        "one line of what ends a link",
        {"mirror.peer.supervision.Supervisor._try": try_and_log_in_full},
        DIALLED,
        "Traceback",
    ),
    Mend(
        "a fault that fills the log",
        "telling it once an hour",
        {"mirror.faults.AGAIN_S": 0.0},
        DIALLED,
        "the log was told",
    ),
    Mend(
        "stamps of a clock that was days ahead and believed",
        "writing them anew",
        {"mirror.store.ledger.repairing.Repairing._page_anew": lambda *_: 0},
        simulated(a_clock_that_was_believed),
        "lacks files/a:1 of later",
    ),
    Mend(
        "a user's drafts of invented origins",
        "the bound of origins in bases",
        {"mirror.store.ledger.editing.Editing._check_origins": nothing},
        simulated(origins_of_a_user),
        "origins were invented by a user",
    ),
    Mend(
        "two nodes of one name",
        "telling twins apart",
        {"mirror.sync.twins.Twins.admit": nothing},
        simulated(two_nodes_of_one_name),
        "serves two nodes at once",
    ),
    Mend(
        "a partner's conflicts without end",
        "the bound of conflicts",
        {"mirror.store.sqlite.tables.SqliteWriter.conflicts_of": lambda *_: 0},
        simulated(conflicts_of_a_partner),
        "conflicts of a partner are kept",
    ),
)
