"""What has to hold when versions of an item of the corpus meet, whatever people and programs did to it."""

import copy
import itertools
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from corpus import meaning as means
from corpus.edits import CALENDAR, CARD
from corpus.lines import Component, read
from corpus.manners import Editor, drop_unknown
from corpus.meaning import Meaning, meaning, says
from corpus.messages import Source, source, text_in
from corpus.readers import readers_of
from mirror.model.draft import Draft, base_of
from mirror.model.drafting import changed_parts
from mirror.model.edit import successor, written
from mirror.model.merge import merge
from mirror.model.record import Record, record_bytes

COLLECTION, KEY = "messages/r", "euid:k"


class Way(NamedTuple):
    """What one side does to an item: edits by name and number, and the program that saves it."""

    edits: tuple[tuple[str, int], ...]
    editor: Editor
    number: int

    def done_to(self, text: bytes) -> Component:
        """Return an item after the edits that can be done to it."""
        item = read(text)
        for name, number in self.edits:
            tried = copy.deepcopy(item)
            table = CARD if item.name == "VCARD" else CALENDAR
            if table[name](tried, number):
                item = tried
        return item

    def saved(self, text: bytes) -> bytes:
        return self.editor.write(self.done_to(text), self.number)


def first_of(item: Source) -> Record:
    return put(None, item.message(item.text), 10 << 16, "o")


def put(held: Record | None, body: bytes, stamp: int, origin: str) -> Record:
    return successor(held, Record(COLLECTION, KEY, 0, "", 0, body=body), stamp, origin)


def body_of(item: Source, way: Way, text: bytes) -> bytes:
    return item.message(way.saved(text), way.editor.line_end)


# -- two versions -------------------------------------------------------------------------------------


class Meeting(NamedTuple):
    """What two sides made of an item, what came of it, and whose version is in the conflict log."""

    base: bytes
    left: bytes
    right: bytes
    merged: bytes
    lost: frozenset[str]


def check_pair(name: str, left: Way, right: Way) -> None:
    """Check what comes of an item that two nodes changed while apart."""
    item = source(name)
    first = first_of(item)
    one = put(first, body_of(item, left, item.text), 20 << 16, "left")
    two = put(first, body_of(item, right, item.text), 30 << 16, "right")
    merged = merge(one, two)
    lost = frozenset(loser.origin for loser in merged.losers)
    texts = [left.saved(item.text), right.saved(item.text), text_in(merged.record.body)]
    assert merged.record.body.startswith(item.before), "the message around the item is another one"
    assert merged.record.body.endswith(item.after), "the message around the item is another one"
    check_meeting(Meeting(item.text, *texts, lost))


def check_draft(name: str, left: Way, right: Way) -> None:
    """Check what comes of a draft by a program that dropped what it does not know, and names what it changed."""
    item = source(name)
    first = first_of(item)
    held = put(first, body_of(item, left, item.text), 20 << 16, "left")
    meant = right.done_to(item.text)
    poor = copy.deepcopy(meant)
    drop_unknown(poor)
    _drop_stale(meant, poor, means.changed(meaning(item.text), means.meaning_of(meant)))
    whole, sent = (item.message(right.editor.write(one, right.number), right.editor.line_end) for one in (meant, poor))
    draft = Draft(COLLECTION, KEY, base_of(first), body=sent)
    draft.changed = changed_parts(first, first.body, Draft(COLLECTION, KEY, body=whole))
    result = written(held, draft, 30 << 16, "right")
    lost = frozenset(loser.record.origin for loser in result.losers)
    left_text, right_text = left.saved(item.text), text_in(whole)
    check_meeting(Meeting(item.text, left_text, right_text, text_in(result.record.body), lost))


def _drop_stale(meant: Component, poor: Component, changed: set[means.Topic]) -> None:
    """Take out what a program does not know and what says, in another way, what it changed: that would be the old."""
    for component, known in zip(meant.inside, poor.inside, strict=True):
        for line in [line for line in component.named(*means.ONE_THING) if line not in known.lines]:
            if (*means.place_told(component), means.ONE_THING[line.name.upper()], "") in changed:
                component.drop(line)


def check_meeting(met: Meeting) -> None:
    told = [meaning(text) for text in met[:4]]
    check_nothing_is_lost(*told, met.lost)
    check_together(*told)
    check_untouched(*told)
    check_zones(met)
    check_readable(met)


def check_nothing_is_lost(base: Meaning, left: Meaning, right: Meaning, merged: Meaning, lost: frozenset[str]) -> None:
    """What a side changed is so now, or its version is in the log; where the two have nothing to do with each other
    it is so."""
    ours, theirs = means.changed(base, left), means.changed(base, right)
    for side, changes, version in (("left", ours, left), ("right", theirs, right)):
        gone = [topic for topic in changes if _counts(topic) and _is_lost(topic, base, version, merged)]
        assert not gone or side in lost, f"lost of {side}, and not told: {gone}"
    if not means.touch_each_other(ours, theirs):
        assert not lost, f"told as lost: {set(lost)}, though {ours} and {theirs} have nothing to do with each other"
    for topic in merged.keys() | base.keys():
        if topic not in ours | theirs and _counts(topic):
            # Nobody meant that; where a component is gone its lines are.
            assert says(merged, topic) == says(base, topic), f"nobody changed {topic}: {says(merged, topic)}"


def _is_lost(topic: means.Topic, base: Meaning, version: Meaning, merged: Meaning) -> bool:
    """Tell whether what a version says of a topic, otherwise than its base, is not so in the merged one."""
    before, after, now = (set(says(told, topic)) for told in (base, version, merged))
    if means.kind_of(topic) in means.MANY:
        # Of several numbers of one kind each counts for itself: what was added is there, what was taken out is gone.
        return not (after - before) <= now or bool((before - after) & now)
    return now != after


def _counts(topic: means.Topic) -> bool:
    return means.kind_of(topic) != means.ZONE


def check_together(base: Meaning, left: Meaning, right: Meaning, merged: Meaning) -> None:
    """What belongs together is of one version; but a task that was done at a time that is another one is to be done."""
    for topic in merged:
        if means.kind_of(topic) in means.TOGETHER:
            told = {says(version, topic) for version in (base, left, right)}
            assert says(merged, topic) in told | {means.TO_BE_DONE}, f"mixed: {topic}"


def check_untouched(base: Meaning, left: Meaning, right: Meaning, merged: Meaning) -> None:
    """What neither side changed stands as it did, byte for byte."""
    touched = means.changed(base, left) | means.changed(base, right)
    lists = {(means.place_of(topic), means.kind_of(topic)) for topic in touched}
    for topic, said in base.items():
        of_a_list = means.kind_of(topic) in (*means.LISTS, means.ALARM)
        if topic in touched or (of_a_list and (means.place_of(topic), means.kind_of(topic)) in lists):
            continue
        if topic in merged:
            assert set(merged[topic].raw) == set(said.raw), f"nobody changed {topic}"


def check_zones(met: Meeting) -> None:
    """A zone that is used is told, where it was."""
    if all(means.zones_used(text) <= means.zones_told(text) for text in (met.base, met.left, met.right)):
        missing = means.zones_used(met.merged) - means.zones_told(met.merged)
        assert not missing, f"used, and not told: {missing}"


def check_readable(met: Meeting) -> None:
    """Who could read all three can read what came of them."""
    missing = base_readers(met.base) - readers_of(met.merged)
    if missing:
        missing &= readers_of(met.left) & readers_of(met.right)
    assert not missing, f"can be read no more by {missing}"


base_readers = cache(readers_of)


# -- many versions ------------------------------------------------------------------------------------


class Step(NamedTuple):
    """One version: which earlier ones its author had seen, at which of three nodes, and what was done to it."""

    seen: tuple[int, ...]
    origin: str
    way: Way


def history(name: str, steps: Sequence[Step]) -> list[Record]:
    """Return the versions that people at several nodes made of an item."""
    item = source(name)
    made = [first_of(item)]
    for at, step in enumerate(steps):
        held = made[0]
        for seen in step.seen:
            held = merge(held, made[seen % len(made)]).record
        made.append(put(held, body_of(item, step.way, text_in(held.body)), (20 + 10 * at) << 16, step.origin))
    return made[1:]


def check_join(name: str, steps: Sequence[Step]) -> None:
    """Check that versions become the same bytes in every order and grouping, and whoever comes again.

    Of every set of versions all ways to split it in two have to give the same; so have all orders and groupings.
    """
    versions = history(name, steps)
    joined = {frozenset([at]): version for at, version in enumerate(versions)}
    for size in range(2, len(versions) + 1):
        for chosen in map(frozenset, itertools.combinations(range(len(versions)), size)):
            pairs = [(joined[part], joined[chosen - part]) for part in _parts_of(chosen)]
            made = [merge(one, other).record for one, other in pairs]
            assert len(set(map(record_bytes, made))) == 1, f"{sorted(chosen)} become different bytes"
            joined[chosen] = made[0]
    whole = joined[frozenset(range(len(versions)))]
    for version in joined.values():
        assert merge(whole, version).record == merge(version, whole).record == whole, "it changes when seen again"


def _parts_of(chosen: frozenset[int]) -> list[frozenset[int]]:
    """Return all sets of some, but not all, of what is chosen."""
    return [frozenset(part) for size in range(1, len(chosen)) for part in itertools.combinations(sorted(chosen), size)]
