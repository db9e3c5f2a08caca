"""The rules of writing: merging, drafts, tombstones, conflicts, contents, over a few operations on tables.

A backend has the tables (mirror.store.tables) and this class's rules on top of them, so all keep the same promises.
Everything that one job changes, digests and conflicts included, is in one transaction; so is a cursor set beside it.
Bodies over INLINE_LIMIT come first, as contents, and a record that refers to one that is not there yet is refused.
Knows no database, no threads, no wire.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import pairwise, repeat
from typing import Any

import msgspec

from mirror.formats.beside import beside
from mirror.formats.keys import key_today
from mirror.model.applied import Applied
from mirror.model.containers import KILLED, collections_in, is_container, records_of
from mirror.model.draft import NOTHING, Base, Changed, Draft, base_of, check_draft, joint_base
from mirror.model.edit import (
    Loser,
    Written,
    forgotten_deletion,
    overwritten,
    past_beside,
    restoring,
    successor,
    tombstone,
    version_of,
    with_fields,
    written,
)
from mirror.model.errors import BadContent, BadRecord
from mirror.model.fields import Value, order, pack_fields, unpack_fields, values_of
from mirror.model.heads import without_edits
from mirror.model.item import MAX_PARSED
from mirror.model.judge import Unfit, cannot, judge, sort_out
from mirror.model.keys import kept_key, old_cut, split_key
from mirror.model.kinds import HORIZON_KEY, NODES, Collection, check_collection, room_of
from mirror.model.mending import mended
from mirror.model.merge import Merged, has_fields, is_item, merge
from mirror.model.nodes import (
    Horizon,
    Vector,
    horizon_of,
    horizon_record,
    is_provable,
    newest_by_origin,
    newest_in_signs,
    node_of,
    sign_record,
)
from mirror.model.record import (
    INLINE_LIMIT,
    MAX_CONTENT,
    Record,
    created,
    record_crc,
    unpack_head,
    vector_of,
)
from mirror.model.settled import resolves, settling
from mirror.model.stamp import HybridClock, stamp_ms
from mirror.model.texts import is_message
from mirror.store.base import (
    COMING_AGAIN,
    PAGE_RECORDS,
    PULL,
    Acting,
    Aside,
    BoundReached,
    Conflict,
    DraftResult,
    MissingContent,
    NoConflict,
    Source,
    StoredCursor,
    TooMuchAside,
)
from mirror.store.namesakes import Namesakes
from mirror.store.questions import apart as content_apart
from mirror.store.sorting import Sorting
from mirror.store.tables import Added, ContentState, Row, Tables

MAX_ASIDE = 10_000
"""Records of one peer that are set aside; of a peer of which there are more nothing is taken."""
MAX_ASIDE_BYTES = 256 * 1024 * 1024
"""Bytes of them."""
MAX_CONFLICTS_MIRROR = 100_000
MAX_CONFLICTS_SHARE = 1000
"""Conflicts that a mirror, or a peer that rooms are shared with, may make before some are resolved."""
_SIGNS = "what nodes say of themselves waits while other records of this peer are set aside"
MESSAGES = "messages"
KEYS_MOVED = "keys-moved"
"""Under this name a store keeps that what 0.1.0 kept under other keys was moved."""
MAX_HASHERS = 64
"""Contents under way whose hash is kept in memory; of more the stored parts are read again."""
PAGE_BURIED = PAGE_RECORDS
"""Records of a deleted room that are read at once while it is emptied."""


class Ledger(Tables):
    """A Writer over tables; lives as long as the connection it writes to."""

    clock: HybridClock
    _origin: str
    _hashers: dict[bytes, tuple[int, Any]]
    _acting: Acting | None
    _namesakes: Namesakes
    _sorting: Sorting

    def begin_ledger(self, clock: HybridClock) -> None:
        """Get ready; called once, when the tables can be read."""
        self.clock = clock
        self._origin = self.origin()
        self._hashers = {}
        self._acting = None
        self._namesakes = Namesakes(self)
        self._sorting = Sorting(self, clock, self._namesakes)

    def begin_job(self) -> None:
        """Begin a job, which is nobody's in particular until it says so."""
        self._acting = None

    def act_for(self, party: Acting) -> None:
        """Have the rest of this job count as a party's doing; beyond its bounds it raises BoundReached."""
        self._acting = party

    def roll_back_ledger(self) -> None:
        """Forget what may have been rolled back."""
        self._hashers.clear()

    # -- merging ----------------------------------------------------------------------------------

    def apply(self, records: Sequence[Record], crcs: Sequence[int] | None = None) -> Applied:
        """Merge records that came from elsewhere into the store.

        Raises StampAhead, MissingContent, BadRecord; then nothing was changed by this call's transaction.
        """
        if not records:
            return Applied()
        if crcs is None:
            crcs = [record_crc(record) for record in records]
        return self._apply(records, crcs, newest_by_origin(records))

    def _apply(self, records: Sequence[Record], crcs: Sequence[int], newest: Vector) -> Applied:
        if not records:
            return Applied()
        self.clock.observe(max(record.stamp for record in records))
        return self._merge_in(records, crcs, newest)

    def _merge_in(self, records: Sequence[Record], crcs: Sequence[int], newest: Vector) -> Applied:
        """Merge records in; ``newest`` says up to where, by origin, all that is older is here as well then."""
        self._require_contents(records)
        by_collection: dict[str, dict[str, Added]] = defaultdict(dict)
        repeated: list[Added] = []
        for told, crc in zip(records, crcs, strict=True):
            record = self._namesakes.normal(told)
            crc = crc if record is told else record_crc(record)
            group = by_collection[record.collection]
            if record.key in group:
                repeated.append((record, crc))
            else:
                group[record.key] = (record, crc)
        nodes = by_collection.pop(NODES, {})
        if nodes and (shared := self.shared_origins()):
            mirrors = {node_of(key) for key in nodes}
            self.forget_newest(origin for origin in shared if node_of(origin) in mirrors)
        self.note_newest(newest)
        result = Applied()
        for collection, group in by_collection.items():
            result += self._merge_group(collection, group)
        if nodes:
            result += self._merge_nodes(nodes)
        for record, crc in repeated:
            result += self._merge_in([record], [crc], {})
        return result

    def _merge_nodes(self, nodes: dict[str, Added]) -> Applied:
        """Merge what nodes say of themselves: after all else, since who has a sign of life has all before it.

        The horizon comes before the signs: of those, who reads our feed concludes that it has every tombstone.
        """
        result = Applied()
        marker = nodes.pop(HORIZON_KEY, None)
        if marker is not None:
            result += self._merge_group(NODES, {HORIZON_KEY: marker})
            self._drop_tombstones()
        return result + self._merge_group(NODES, nodes)

    def _require_contents(self, records: Sequence[Record]) -> None:
        wanted = {record.content: record.size for record in records if record.content}
        missing = [(content, size) for content, size in wanted.items() if not self.content_complete(content)]
        if missing:
            raise MissingContent(missing)
        for record in records:
            if record.content and (size := self.content_size(record.content)) != record.size:
                what = f"record {record.collection} {record.key[:80]!r}"
                raise BadRecord(f"{what}: its content has {size} bytes, not {record.size}")

    def _merge_group(self, collection: str, group: dict[str, Added]) -> Applied:
        held = self.held(collection, group)
        apart = self._namesakes.apart(collection, group.values(), held)
        horizon = self.horizon()
        added: list[Added] = []
        replaced: list[Row] = []
        conflicts = already = 0
        for key, (record, crc) in group.items():
            if key in apart:
                continue
            too_old = record.dead and record.stamp < horizon
            if key not in held:
                if not too_old:
                    added.append((record, crc))
                elif record.origin in self._agreed():
                    already += 1  # everybody has forgotten this deletion, and there is nothing to delete
                else:
                    added.append(self._dead_again(record))  # of one who was away: not all know it
                continue
            sequence, held_crc = held[key]
            if held_crc == crc:
                already += 1
                continue
            current = self.at(sequence)
            merged = self._merged(current, record)
            if collection != NODES:  # of what nodes say of themselves just the newest counts, and none is put back
                conflicts += self._log_conflicts(map(Loser, merged.losers, merged.parts or repeat(())), merged.record)
            if merged.record is current:
                already += 1
                continue
            if too_old:  # others drop so old a tombstone unseen, so what it kills is killed again, now
                added.append(self._dead_again(current))
            else:
                added.append((merged.record, crc if merged.record is record else record_crc(merged.record)))
            replaced.append(Row(sequence, current, held_crc))
        self.replace(collection, added, replaced)
        if replaced:
            self._settle(collection, {row.record.key for row in replaced})
        result = Applied(len(added), already, conflicts)
        for key, (record, _) in group.items():
            if key in apart:
                result += self._join_namesakes(record)
        return result

    def _join_namesakes(self, record: Record) -> Applied:
        """Merge a message's version where there may be other messages of its id: see mirror.model.namesakes."""
        renewed = self._renewed(record)
        if renewed is None:
            return Applied(already_held=1)
        joined, rows = self._namesakes.placed(renewed)
        changed = [key for key, kept in joined.kept.items() if kept != (rows[key].record if key in rows else None)]
        if changed:
            added = [kept for key in changed if (kept := joined.kept[key]) is not None]
            removed = [rows[key] for key in changed if key in rows]
            self.replace(record.collection, [(one, record_crc(one)) for one in added], removed)
        if joined.moved:
            self.move_statuses(record.collection, joined.moved)
        conflicts = sum(self._log_conflicts([Loser(loss.loser)], loss.winner) for loss in joined.losses)
        if changed:
            self._settle(record.collection, changed)
            self._settle_kept(record, joined.kept.values())
        return Applied(int(bool(changed)), int(not changed), conflicts)

    def _renewed(self, record: Record) -> Record | None:
        """Return a version as it is to be joined: a deletion too old for others to see is made again, now.

        None for one that everybody has forgotten, and there is nothing to delete.
        """
        if not record.dead or record.stamp >= self.horizon():
            return record
        held = self.get(record.collection, self._namesakes.key_of(record))
        if held is not None and held.era >= record.era:
            return record
        if held is None and record.origin in self._agreed():
            return None
        return self._dead_again(held or record)[0]

    def _settle_kept(self, record: Record, kept: Iterable[Record | None]) -> None:
        """Mark the conflicts as resolved in which a message lost that is kept beside its namesakes now, word for word.

        0.1.0 kept one message of an id, and those that it took for other versions in the conflict log.
        """
        found = self.open_conflicts(record.collection, [split_key(record.key)[0]])
        if found:
            texts = {self._namesakes.own(one) for one in kept if one is not None and not one.dead}
            for conflict in found:
                if self._namesakes.own(conflict.loser) in texts:
                    self.resolve_conflict(conflict.number, stamp_ms(self.clock.last))

    def _merged(self, current: Record, record: Record) -> Merged:
        """Merge two versions.  Raises BadRecord where no node would take what comes of it, or it cannot be told."""
        try:
            merged = merge(current, record, self.body, self.store_body)
        except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError, msgspec.MsgspecError) as error:
            # Whatever is wrong with this one, by a mistake of ours or its writer's, it stops no other.
            what = f"record {record.collection} {record.key[:80]!r}"
            raise BadRecord(f"{what} cannot be merged: {type(error).__name__}: {str(error)[:200]}") from error
        if merged.record is not current and merged.record is not record:
            judge(merged.record)
        return merged

    def _dead_again(self, record: Record) -> Added:
        dead = self._tombstone(record)
        return dead, record_crc(dead)

    def _tombstone(self, record: Record) -> Record:
        """Return the version that deletes a record now."""
        return tombstone(record, self.clock.tick(), self._origin, self.body)

    def _log_conflicts(self, losers: Iterable[Loser], winner: Record) -> int:
        """Log what lost and that the winner's author had not seen; return how many were not logged before."""
        return self._log([one for one in losers if not resolves(winner, one.record, record_crc(one.record))], winner)

    def _log(self, losers: Iterable[Loser], winner: Record) -> int:
        now, party = stamp_ms(self.clock.last), self._acting.name if self._acting is not None else ""
        logged = sum(self.log_conflict(now, loser, winner, party) for loser in losers)
        if logged and self._acting is not None and self.conflicts_of(party) > self._acting.conflicts:
            raise BoundReached(
                f"over {self._acting.conflicts} conflicts made by {party} are not resolved: nothing more is taken "
                "from it before some are ('ctdlmirror conflicts list')"
            )
        return logged

    def _settle(self, collection: str, keys: Iterable[str]) -> None:
        """Mark the conflicts that versions which were just written resolve."""
        written = set(keys)
        found = self.open_conflicts(collection, written | {split_key(key)[0] for key in written})
        if not found:
            return
        held = self.get_many(collection, written | {conflict.loser.key for conflict in found})
        for conflict in found:
            if any(
                self._is_of(one, conflict.loser) and resolves(one, conflict.loser, record_crc(conflict.loser))
                for one in held
            ):
                self.resolve_conflict(conflict.number, stamp_ms(self.clock.last))

    def _is_of(self, record: Record, loser: Record) -> bool:
        """Tell whether a version is of the same thing as one that lost: a message may have got another key since."""
        if record.key == loser.key or not is_message(record):
            return record.key == loser.key
        plain = split_key(record.key)[0]
        return plain == split_key(loser.key)[0] and self._namesakes.text(record) == self._namesakes.text(loser)

    # -- what cannot be taken ---------------------------------------------------------------------

    def admit(
        self, source: Source, records: Sequence[Record], crcs: Sequence[int], unfit: Sequence[Unfit] = ()
    ) -> Applied:
        """Merge what a peer sent, and set aside what cannot be taken, so that one record never stops the others."""
        mirror = source.mirror
        self.act_for(Acting(f"peer {source.peer}", MAX_CONFLICTS_MIRROR if mirror else MAX_CONFLICTS_SHARE))
        fit, aside = self._sorting.sort(source, list(zip(records, crcs, strict=True)))
        aside += [self._sorting.aside(source, one) for one in unfit]
        signs = [pair for pair in fit if source.mirror and pair[0].collection == NODES]
        others = [pair for pair in fit if pair[0].collection != NODES] if signs else fit
        kept = self.has_aside(source.peer)
        applied = self._admit_fit(source, others, aside, kept)
        # Whoever has a node's sign of life has all that it had: none is taken while of this peer anything is lacking.
        if any(one.unfit.collection != NODES for one in aside) or (kept and self.lacking(source.peer)):
            aside += [self._sorting.aside(source, cannot(record, _SIGNS)) for record, _ in signs]
        elif source.mirror:
            waited = self._signs_kept_aside(source) if kept else []
            applied += self._admit_fit(source, waited + signs, aside, kept)
        self._set_aside(source, aside)
        return applied

    def _signs_kept_aside(self, source: Source) -> list[Added]:
        """Return the signs of life that waited for what was lacking, now that nothing is."""
        found = [sort_out(one.unfit.data) for one in self.signs_aside(source.peer)]
        return [(one, record_crc(one)) for one in found if isinstance(one, Record) and one.stamp <= self.clock.limit()]

    def _admit_fit(self, source: Source, fit: list[Added], aside: list[Aside], kept: bool) -> Applied:
        """Merge records; those on which merging fails are added to ``aside``.

        ``kept`` tells whether anything of the peer is set aside already: what is taken now is kept there no more.
        """
        if not fit:
            return Applied()
        try:
            applied = self.attempt(lambda: self._apply_of(source, fit))
            taken = [record for record, _ in fit]
        except BadRecord:
            applied, taken = Applied(), []
            for record, crc in fit:
                try:
                    applied += self.attempt(lambda one=(record, crc): self._apply_of(source, [one]))  # type: ignore[misc]
                    taken.append(record)
                except BadRecord as error:
                    aside.append(self._sorting.aside(source, cannot(record, str(error))))
        if kept:
            self._take_from_aside(source, taken)
        return applied

    def _take_from_aside(self, source: Source, taken: Sequence[Record]) -> None:
        keys: defaultdict[str, list[str]] = defaultdict(list)
        for record in taken:
            keys[record.collection].append(record.key)
        for collection, of_it in keys.items():
            self.take_aside(source.peer, collection, of_it)

    def _apply_of(self, source: Source, pairs: Sequence[Added]) -> Applied:
        records = [record for record, _ in pairs]
        return self._apply(records, [crc for _, crc in pairs], self._proved_newest(source, records))

    def _proved_newest(self, source: Source, records: Sequence[Record]) -> Vector:
        """Return, by origin, up to where all that it wrote is here with these records.

        So it is with what a mirror's feed tells in order, and with signs of life.  Of what is compared and exchanged,
        older records may still be to come when the connection breaks; and a shared room brings some records of our
        own mirrors, and not the others.
        """
        if source.mirror:
            return newest_by_origin(records) if source.ordered else newest_in_signs(records)
        mirrors = {self.node, *(node_of(sign.key) for sign in self.signs())}
        return {origin: stamp for origin, stamp in newest_by_origin(records).items() if node_of(origin) not in mirrors}

    def _set_aside(self, source: Source, aside: Sequence[Aside]) -> None:
        if not aside:
            return
        count, size = self.aside_size(source.peer)
        if count + len(aside) > MAX_ASIDE or size + sum(len(one.unfit.data) for one in aside) > MAX_ASIDE_BYTES:
            raise TooMuchAside(
                f"over {MAX_ASIDE} records, or {MAX_ASIDE_BYTES >> 20} MiB, of {source.peer} cannot be taken "
                f"('ctdlmirror aside list' shows them): nothing more is taken from it; first {aside[0].unfit.reason}"
            )
        for one in aside:
            self.put_aside(one)

    def retry_aside(self, everything: bool = False) -> Applied:
        """Try again what was set aside and is due, or all, as after an upgrade.

        All that came from no mirror, and so has to be let in by rules, is forgotten and counted as coming again, so the
        rooms are compared.  What is lacking a content is forgotten with the place in the peer's feed: all is compared.
        """
        applied = Applied()
        shares: set[str] = set()
        for one in self.due_aside(None if everything else self.clock.now_ms()):
            found = sort_out(one.unfit.data)
            if isinstance(found, Unfit) or found.stamp > self.clock.limit():
                continue
            try:
                if one.mirror:
                    applied += self.attempt(lambda one=found: self._apply([one], [record_crc(one)], {}))  # type: ignore[misc]
                else:
                    shares.add(one.peer)
            except MissingContent:
                self.set_cursor(one.peer, PULL, StoredCursor())
            except BadRecord:
                continue
            self.take_aside(one.peer, one.unfit.collection, [one.unfit.key])
        if shares:
            counted = self.coming_again()
            self.set_meta(COMING_AGAIN, json.dumps({**counted, **{peer: counted.get(peer, 0) + 1 for peer in shares}}))
        return applied

    # -- tombstones -------------------------------------------------------------------------------

    def beat(self) -> Record:
        """Write this node's sign of life."""
        sign = self.put(sign_record(self._origin, self.heard(), self.clock.last))
        places, horizon = [*self._sign_places(), (sign.stamp, self.last_sequence())], self.horizon()
        # One from before the horizon is enough.
        kept = [place for place, after in pairwise(places) if after[0] > horizon] + places[-1:]
        self.set_meta("signs", json.dumps(kept))
        return sign

    def _sign_places(self) -> list[tuple[int, int]]:
        """Return the stamps of our signs of life since the horizon, and where in the feed they were written."""
        return [(stamp, sequence) for stamp, sequence in json.loads(self.meta_text("signs", "[]"))]

    def advance_horizon(self, horizon: Horizon) -> None:
        """Have tombstones with stamps below a horizon dropped, here now and at the peers when they hear of it."""
        if horizon.stamp > self.horizon():
            self._put(horizon_record(self._origin, horizon))

    def _drop_tombstones(self) -> None:
        horizon = horizon_of(self.get(NODES, HORIZON_KEY))
        if horizon.stamp <= self.horizon():
            return
        agreed_to = self._place_agreed_to(horizon)
        self.set_meta("horizon", horizon.stamp)
        dropped: dict[str, list[Row]] = defaultdict(list)
        late: list[Row] = []
        heard = self.heard()
        for row in self.tombstones(horizon.stamp):
            news = row.sequence > agreed_to and row.record.origin not in horizon.nodes
            if news or not is_provable(row.record, heard):
                late.append(row)
            else:
                dropped[row.record.collection].append(row)
        for collection, rows in dropped.items():
            self.replace(collection, (), rows)
        if dropped:
            self.set_meta("trimmed", max(self.trimmed(), *(row.sequence for rows in dropped.values() for row in rows)))
        for row in late:
            self._put(self._tombstone(row.record))
        self._move_signs()

    def _move_signs(self) -> None:
        """Write the signs of life behind the horizon again: who reads our feed must come to the horizon first."""
        signs = [row for row in self.rows(NODES) if row.record.key != HORIZON_KEY]
        self.replace(NODES, [(row.record, row.crc) for row in signs], signs)

    def _agreed(self) -> tuple[str, ...]:
        """Return the origins that agreed to the present horizon."""
        return horizon_of(self.get(NODES, HORIZON_KEY)).nodes

    def _place_agreed_to(self, horizon: Horizon) -> int:
        """Return up to which place of our feed all who agreed to a horizon have what we hold.

        What came later, from a node that did not agree, they may not know: it was away, and has just told us.
        """
        if self._origin not in horizon.nodes:
            return 0
        return max((sequence for stamp, sequence in self._sign_places() if stamp <= horizon.stamp), default=0)

    def came_meanwhile(self, after: int, horizon: int, compared: Set[tuple[str, str]]) -> bool:
        """Tell whether records came after a place of the feed that may have been deleted before a horizon (a stamp).

        ``compared`` are collections and keys that were compared with a node that knows.
        """
        return any(
            created(record) < horizon and record.collection != NODES and (record.collection, record.key) not in compared
            for record in self.living_after(after)
        )

    def refuse_revival(self, records: Sequence[Record]) -> int:
        """Delete records, everywhere, that were deleted so long ago that no tombstone is left; returns how many.

        They come from a node that was away for longer than tombstones are kept.  Each is kept in the conflict log.
        """
        self.clock.observe(max(record.stamp for record in records))
        self._require_contents(records)
        refused = 0
        for record in map(self._namesakes.as_kept, records):
            current = self.get(record.collection, record.key)
            if current is None or current.era < record.era or (current == record and not record.dead):
                dead = self._tombstone(record)
                # Whatever older incarnation is here dies with it, though who deleted that one had not seen this.
                older = [current] if current is not None and not current.dead and current != record else []
                self._log_conflicts(map(Loser, [record, *older]), dead)
                self._put(dead)
                refused += 1
        return refused

    # -- edits made here --------------------------------------------------------------------------

    def write(self, draft: Draft, *, alone: bool = False) -> DraftResult:
        """Write a draft as this node's next version, or as an edit beside what its author had not seen."""
        check_draft(draft)
        draft = msgspec.structs.replace(draft, key=kept_key(draft.collection, draft.key))
        current = self.get(draft.collection, draft.key)
        if draft.only_if is not None and draft.only_if != (NOTHING if current is None else record_crc(current)):
            raise Changed(draft, current)
        aimed = self._namesakes.aimed(draft, current)
        if aimed != draft.key:
            draft = msgspec.structs.replace(draft, key=aimed)
            current = self.get(draft.collection, aimed)
        if draft.dead and self._is_gone(current, draft):
            return DraftResult(current, Applied(already_held=1))
        if draft.base is not None:
            self._check_origins(draft.base)
            self.clock.observe(max(draft.base.vector.values()))
            if current is None and self._is_forgotten(draft, draft.base):
                current = self._put(forgotten_deletion(draft, draft.base, self.clock.tick(), self._origin))
        made = written(current, draft, self.clock.tick(), self._origin, self.body, self.store_body)
        for loser in made.losers:
            if loser.record is not current:  # a draft that lost at once, and is kept: so that it can be brought back
                judge(loser.record)
                self._require_contents([loser.record])
        losers = list(made.losers)
        if made.record is not current:
            unseen = self._namesakes.deleted_unseen(made.record, draft.base)
            if not _is_new(current, draft):
                self._require_right(current, made.record, unseen)
            losers += [Loser(one) for one in unseen if all(one != loser.record for loser in losers)]
            if made.record.dead and current is not None:
                self._delete_belongings(current, alone)
            self._put(made.record)
        conflicts = self._log_conflicts(losers, made.record)
        new = made.record is not current
        return DraftResult(made.record, Applied(int(new), int(not new and not losers), conflicts))

    def _require_right(self, current: Record | None, made: Record, others: Sequence[Record] = ()) -> None:
        """Raise unless who acts may have a version take the place of what is there, and of the others it deletes."""
        if self._acting is not None and self._acting.may is not None:
            for held in (current, *others):
                self._acting.may(held, made)

    def _check_origins(self, base: Base) -> None:
        """Raise BoundReached where a party names more origins, that nobody here knows of, than it may."""
        party = self._acting
        if party is None or not party.origins:
            return
        unknown = self.unknown_origins(base.vector) - {self._origin}
        if unknown and self.origins_of(party.name) + len(unknown) > party.origins:
            raise BoundReached(
                f"drafts of {party.name} name over {party.origins} origins that nobody here has heard of; draft it "
                "where their base was shown, or when it has come here"
            )
        self.note_origins(party.name, unknown)

    def _is_forgotten(self, draft: Draft, base: Base) -> bool:
        """Tell whether a base of which nothing is here was here, and was deleted before the horizon.

        That it is older than the horizon alone does not tell: who agreed to that need not have met where it was shown.
        """
        if base.stamp >= self.horizon():
            return False
        version, newest = version_of(draft, base), self.heard().newest
        return any(created(version) <= newest.get(origin, 0) for origin in vector_of(version))

    def _is_gone(self, current: Record | None, draft: Draft) -> bool:
        """Tell whether there is nothing left to delete of a draft's base, which may have come to other nodes alone."""
        base = draft.base
        if current is None:
            return base is None or self._is_forgotten(draft, base)
        return current.dead and not (base is not None and base.begins_after(current))

    def overwrite(self, record: Record) -> DraftResult:
        """Write a draft that names no base, as clients of 0.1.0 do: it replaces what is here."""
        check_collection(record.collection)
        record = msgspec.structs.replace(record, key=kept_key(record.collection, record.key))
        if not record.dead:
            record = msgspec.structs.replace(record, key=self._namesakes.key_of(record))
        current = self.get(record.collection, record.key)
        if current is not None:
            self._require_right(current, record)
        if record.dead:
            if current is None or current.dead:
                return DraftResult(None, Applied())
            self._delete_belongings(current)
            made = self._tombstone(current)
        elif has_fields(record):
            values = unpack_head(record.head)
            made = with_fields(current, record.collection, record.key, values, self.clock.tick(), self._origin)
        else:
            made = successor(current, record, self.clock.tick(), self._origin, self.body, self.store_body)
        losers = overwritten(current, made, self._origin, self.body) if current is not None else ()
        if losers and not (has_fields(made) or is_item(made)):
            # It does not know what it replaces: so nobody takes it for having seen that, and all keep what lost.
            made = msgspec.structs.replace(made, past=past_beside(losers[0].record, made.version, {}))
        self._put(made)
        return DraftResult(made, Applied(1, 0, self._log_conflicts(losers, made)))

    def put(self, draft: Record) -> Record:
        """Write a draft, made from what is here now, as this node's next version of its record; returns that."""
        check_collection(draft.collection)
        draft = msgspec.structs.replace(draft, key=self._namesakes.written_under(draft))
        current = self.get(draft.collection, draft.key)
        return self._put(successor(current, draft, self.clock.tick(), self._origin, self.body, self.store_body))

    def set_fields(self, collection: str, key: str, values: Mapping[str, Value]) -> Record:
        """Set fields of a record, leaving the others, and return the new version."""
        check_collection(collection)
        current = self.get(collection, key)
        return self._put(with_fields(current, collection, key, values, self.clock.tick(), self._origin))

    def delete(self, collection: str, key: str) -> Record | None:
        """Delete a record everywhere; returns its tombstone, or None when there was nothing alive."""
        current = self.get(collection, key)
        if current is None or current.dead:
            return None
        self._delete_belongings(current)
        return self._put(self._tombstone(current))

    def _delete_belongings(self, current: Record, alone: bool = False) -> None:
        """Delete what belongs to a room or user that is about to be deleted, and remember what a room was.

        ``alone``, where whoever deletes it says so of each thing that belongs to it.
        """
        collection, key = current.collection, current.key
        if current.dead or not is_container(collection):
            return
        for name in () if alone else collections_in(collection, key):
            self._delete_all(name)
        for name, belonging in () if alone else records_of(collection, key):
            self.delete(name, belonging)
        if collection == "rooms":
            self.set_fields(KILLED, key, values_of(current))

    def _delete_all(self, collection: str) -> None:
        after = ""
        while page := self.scan(collection, after, limit=PAGE_BURIED):
            after = page[-1].key
            living = [record for record in page if not record.dead]
            dead = [self._tombstone(record) for record in living]
            held = self.held(collection, [record.key for record in living])
            rows = [Row(held[record.key].sequence, record, held[record.key].crc) for record in living]
            self.replace(collection, [(record, record_crc(record)) for record in dead], rows)
            self.note_newest({one.origin: one.stamp for one in dead})
            self._settle(collection, held)

    def mend(self, sequence: int) -> Record:
        """Write the record at a place of the feed anew, which no node takes as it is, with what can be kept of it.

        The old one goes to the conflict log; it is not merged, since it cannot be read.  Raises BadRecord.
        """
        old = self.at(sequence)
        made = mended(old, self.clock.tick(), self._origin, self.store_body)
        crc = self.held(old.collection, [old.key])[old.key].crc
        self.replace(old.collection, [(made, record_crc(made))], [Row(sequence, old, crc)])
        self.note_newest(newest_by_origin([made]))
        if old.collection != NODES:
            self._log([Loser(old)], made)
        return made

    def _put(self, record: Record) -> Record:
        judge(record)
        # Not observed: its stamp is our own, which a clock that was just set back may call far ahead.
        # What its author had seen need not have come here, so that tells of nothing but ourselves.
        self._merge_in([record], [record_crc(record)], {record.origin: record.stamp})
        return record

    def adopt(self, record: Record, peer: str = "") -> Applied:
        """Take over those fields of a record from elsewhere that are later than ours, into ours if there is one.

        Unlike merging, nothing else of it counts: neither its birth nor its other fields.  Of a ``peer`` that rooms are
        shared with, no field is taken that says to be of this node and is not known here.
        """
        current = self.get(record.collection, record.key)
        if current is None or current.dead:
            return Applied()
        fields = unpack_fields(current)
        later = {
            name: field
            for name, field in unpack_fields(record).items()
            if name not in fields or order(field) > order(fields[name])
        }
        if peer:
            ours = self._sorting.speak_for_themselves({field.origin for field in later.values()})
            later = {name: field for name, field in later.items() if field.origin not in ours}
        if not later:
            return Applied(already_held=1)
        self.clock.observe(max(field.stamp for field in later.values()))
        lost = {
            name: fields[name]
            for name, field in later.items()
            if name in fields and fields[name].value != field.value and fields[name].origin != field.origin
        }
        stamp = self.clock.tick()
        draft = msgspec.structs.replace(current, head=pack_fields({**fields, **later}))
        adopted = self._put(successor(current, draft, stamp, self._origin))
        if lost:
            self._log_conflicts([Loser(msgspec.structs.replace(current, head=pack_fields(lost)))], adopted)
        return Applied(written=1)

    def absorb(self, records: Sequence[Record]) -> Applied:
        """Merge records whose versions were derived from what a foreign place has; whoever derived them judged them.

        Like ``apply``, but what 0.1.0 deleted under a cut key stays deleted.
        """
        fresh = [record for record in records if not self._deleted_when_cut(record)]
        return self.apply(fresh) + Applied(already_held=len(records) - len(fresh))

    def kept_under(self, records: Sequence[Record]) -> list[str]:
        """Return the key under which each of these messages is kept, or would be: others may have its id."""
        return self._namesakes.keys_of(records)

    def _deleted_when_cut(self, record: Record) -> bool:
        """Tell whether 0.1.0 deleted this under its cut key, which tells nothing that a new key follows from."""
        cut = old_cut(record.key)
        if cut == record.key or self.get(record.collection, record.key) is not None:
            return False
        held = self.get(record.collection, cut)
        return held is not None and held.dead

    # -- conflicts --------------------------------------------------------------------------------

    def restore(self, number: int) -> Record:
        """Write what lost in a conflict as a new version that has seen winner and loser.  Raises NoConflict.

        Of an item that is the parts that lost, of a record of fields those fields.  What was changed since the
        conflict was noticed makes it a concurrent edit.
        """
        conflict = self._conflict(number)
        loser = conflict.loser
        key = self._namesakes.key_of(loser)
        current = self.get(loser.collection, key)
        draft = restoring(loser, conflict.parts, self._seen_by(conflict, current), current, self.body)
        draft = self._with_body(msgspec.structs.replace(draft, key=key))
        made = written(current, draft, self.clock.tick(), self._origin, self.body, self.store_body)
        if current is not None and made.record is current:  # somebody brought it back by hand
            made = Written(self._written_again(current))
        record = settling(made.record, [record_crc(loser)], self.body)
        self._put(record)
        self._log_conflicts(made.losers, record)
        self.resolve_conflict(number, stamp_ms(self.clock.last))
        return record

    def dismiss(self, number: int) -> Record | None:
        """Resolve a conflict as it stands, everywhere.  Raises NoConflict.

        Of what was deleted there is nothing to write, so that is resolved here alone.
        """
        conflict = self._conflict(number)
        loser = conflict.loser
        current = self.get(loser.collection, self._namesakes.key_of(loser)) or self.get(loser.collection, loser.key)
        record = None
        if current is not None and not current.dead:
            made = self._written_again(current)
            record = self._put(settling(made, [record_crc(conflict.loser)], self.body))
        self.resolve_conflict(number, stamp_ms(self.clock.last))
        return record

    def _written_again(self, current: Record) -> Record:
        """Return the next version of a living record, which says the same."""
        return successor(current, _as_draft(current), self.clock.tick(), self._origin, self.body, self.store_body)

    def keep_both(self, number: int) -> Record:
        """Resolve a conflict by writing what lost as a thing of its own, which is returned.

        It is the same thing wherever somebody does so, so two administrators make one copy.  Raises NoConflict, NoCopy.
        """
        loser = self._conflict(number).loser
        draft, body = beside(loser, self.body(loser))
        copy = self.get(draft.collection, draft.key)
        if copy is None or copy.dead:
            copy = self.put(self.store_body(draft, body))
        self.dismiss(number)
        return copy

    def _conflict(self, number: int) -> Conflict:
        found = self.conflicts(number, unresolved=False)
        if not found:
            raise NoConflict(number)
        return found[0]

    def _seen_by(self, conflict: Conflict, current: Record | None) -> Base:
        """Return what somebody has seen who is shown a conflict: its winner and its loser."""
        winner = Base(*conflict.winner, conflict.winner_past)
        if current is not None and current.version == conflict.winner:
            winner = base_of(current)  # a store of 0.1.0 did not keep what the winner had seen
        return joint_base(winner, base_of(conflict.loser))

    def _with_body(self, draft: Draft) -> Draft:
        if len(draft.body) <= INLINE_LIMIT:
            return draft
        kept = self.store_body(Record(draft.collection, draft.key, 1, "x", 1), draft.body)
        return msgspec.structs.replace(draft, body=b"", content=kept.content, size=kept.size)

    def move_keys(self) -> None:
        """Move what 0.1.0 kept under other keys than this version does, once for a store.

        The new key is a function of the record alone and nothing else of it changes, so every node moves it alike.
        """
        for sequence in self.oddly_keyed():
            old = self.at(sequence)
            key = self._key_today(old)
            if key != old.key:
                self._move(sequence, old, key)
                if old.collection.startswith(f"{MESSAGES}/"):
                    self._move_marks(room_of(old.collection), old.key, key)
        self.set_meta(KEYS_MOVED, 1)

    def _key_today(self, record: Record) -> str:
        if not record.collection.startswith(f"{MESSAGES}/"):
            return kept_key(record.collection, record.key)
        return key_today(record.key, b"" if record.size > MAX_PARSED else self.body(record))

    def _move(self, sequence: int, old: Record, key: str) -> None:
        crc = self.held(old.collection, [old.key])[old.key].crc
        self.replace(old.collection, (), [Row(sequence, old, crc)])
        moved = msgspec.structs.replace(old, key=key)
        self._merge_in([moved], [record_crc(moved)], {})

    def _move_marks(self, room: str, old_key: str, key: str) -> None:
        """Have what users have read and answered go with a message: marks are kept under user, blank and its key."""
        collection = str(Collection("visits", room))
        for sequence in self.keyed_behind(collection, f" {old_key}"):
            mark = self.at(sequence)
            self._move(sequence, mark, mark.key.removesuffix(old_key) + key)

    def rename_origin(self, origin: str) -> None:
        """Write under another name from now on."""
        self._origin = origin
        self.set_meta("origin", origin)
        self.set_meta("signs", "[]")

    # -- contents ---------------------------------------------------------------------------------

    def add_content(self, content: bytes, size: int, offset: int, data: bytes, party: str = "") -> bool:
        """Store a part of a content; returns True once it is complete and its SHA-256 proved right.

        Parts come in order; one that was stored before is skipped.  What comes from a ``party`` that is not trusted is
        kept apart until it is proved, and begins anew at offset 0: else it could spoil what others send.

        Raises BadRecord; and BadContent, after which ``drop_content`` has to be called, in a job of its own.
        """
        if not INLINE_LIMIT < size <= MAX_CONTENT:
            raise BadRecord(f"content {content.hex()}: {size} bytes are out of range")
        if party and self.content_complete(content):
            return True  # nor does it tell who does not have it that it is here
        place = content_apart(content, party) if party else content
        state = self.content_state(place)
        if state is not None and offset == 0 and (place != content or _is_other(state, size)):
            self.forget_content(place)
            state = None
        if state is None:
            self.begin_content(place, size)
            state = ContentState(size, 0)
        if state.size != size or offset > state.have or offset + len(data) > size:
            here = f"{state.have} of {state.size}"
            raise BadContent(content, f"has a part at {offset} of {size}, which does not fit {here} here")
        data = data[state.have - offset :]
        if not data:
            return state.have == size
        self._hash(place, state.have, data)
        self.append_content(place, state.have, data)
        if state.have + len(data) < size:
            return False
        _, hasher = self._hashers.pop(place)
        if hasher.digest() != content:
            raise BadContent(content, "arrived with another SHA-256 and was thrown away")
        if place != content:
            self.forget_content(content)
            self.rename_content(place, content)
        return True

    def drop_content(self, content: bytes, party: str = "") -> None:
        """Drop what there is of a content that is not complete."""
        place = content_apart(content, party) if party else content
        self._hashers.pop(place, None)
        if not self.content_complete(place):
            self.forget_content(place)

    def _hash(self, content: bytes, have: int, data: bytes) -> None:
        hashed, hasher = self._hashers.pop(content, (0, hashlib.sha256()))
        if hashed != have:
            hasher = hashlib.sha256()
            for block in self.content_blocks(content):
                hasher.update(block)
        hasher.update(data)
        if len(self._hashers) >= MAX_HASHERS:
            self._hashers.clear()
        self._hashers[content] = (have + len(data), hasher)

    def store_body(self, record: Record, body: bytes) -> Record:
        """Return the record with a body, inline or stored as content, whichever its size asks for."""
        if len(body) <= INLINE_LIMIT:
            return msgspec.structs.replace(record, body=body, content=b"", size=0)
        content = hashlib.sha256(body).digest()
        if not self.content_complete(content):
            self.add_content(content, len(body), 0, body)
        return msgspec.structs.replace(record, body=b"", content=content, size=len(body))

    def sweep_contents(self, suspects: dict[bytes, int]) -> dict[bytes, int]:
        """Drop contents that nothing refers to, if they were among the ``suspects`` of the last sweep already.

        Returns those that nothing refers to now, with the bytes there are of each.  A content arrives before its
        record, so one that has just come, or still grows, is left for the next sweep to judge.
        """
        unused = self.unused_contents()
        for content, have in list(unused.items()):
            if suspects.get(content) == have:
                self.forget_content(content)
                del unused[content]
        return unused


def _is_other(state: ContentState, size: int) -> bool:
    """Tell whether what is under way was said to be of another size: then one of the two who sent it was wrong."""
    return state.have < state.size != size


def _is_new(current: Record | None, draft: Draft) -> bool:
    """Tell whether a draft takes nobody's place: of nothing that is here, and made from nothing but a deletion."""
    if draft.dead or (current is not None and not current.dead):
        return False
    return draft.base is None or (current is not None and draft.base.covers(current))


def _as_draft(record: Record) -> Record:
    """Return a version as the draft of one that says the same."""
    return msgspec.structs.replace(record, head=without_edits(record.head)) if is_item(record) else record
