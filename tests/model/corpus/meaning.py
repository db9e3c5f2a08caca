"""What an item says, told by rules that are not the mirror's own code: what belongs together, in canonical form.

A *topic* is what a person changes as one: the time of an event, one attendee, one exception, a number with its label.
"""

import re
from collections import defaultdict
from typing import NamedTuple

from corpus.edits import MASTERS
from corpus.lines import Component, Line, read
from corpus.times import in_utc

TO_BE_DONE = ("STATUS:NEEDS-ACTION",)

Topic = tuple[str, ...]
"""A place (component, UID, occurrence in UTC), the kind of topic, and which one of that kind."""
WHEN = ("DTSTART", "DTEND", "DUE", "DURATION", "RRULE", "RDATE", "RECURRENCE-ID")
ONE_THING = {"X-ALT-DESC": "DESCRIPTION", "X-APPLE-STRUCTURED-LOCATION": "LOCATION"}
"""Properties that say in another way what a property says."""
STATE = ("STATUS", "COMPLETED", "PERCENT-COMPLETE")
LISTS = ("EXDATE", "CATEGORIES", "RESOURCES", "MEMBER")
"""Properties whose entries are independent of each other."""
MANY = ("TEL", "EMAIL", "ADR", "LABEL", "URL", "IMPP", "X-SOCIALPROFILE")
"""Properties of which a card has several, told apart by their parameters."""
LABELS = ("X-ABLABEL", "X-ABADR")
REVISION = ("SEQUENCE", "DTSTAMP", "LAST-MODIFIED", "PRODID", "REV", "X-MOZ-GENERATION")
"""What says when and by whom an item was written, and how often."""
ZONE, ALARM, TIME, TASK, NAME, LABELLED = "zone", "alarm", "when", "state", "name", "labelled"
TOGETHER = (ALARM, TIME, TASK, NAME, LABELLED)
"""Kinds of topics whose lines must all be of one version."""


class Said(NamedTuple):
    """What an item says of one topic: in canonical form, and the bytes."""

    canonical: tuple[str, ...]
    raw: tuple[bytes, ...]


Meaning = dict[Topic, Said]


def kind_of(topic: Topic) -> str:
    return topic[3]


def place_of(topic: Topic) -> Topic:
    return topic[:3]


def is_occurrence(topic: Topic) -> bool:
    return bool(topic[2])


def canonical(line: Line) -> str:
    """Return what a line says, without a card's group: the same for all lines that say so."""
    name = line.name.upper()
    told = () if name == "RECURRENCE-ID" else line.parameters
    parameters = sorted(f"{key.upper()}={_parameter(key, value)}" for key, value in told)
    return f"{';'.join([name, *parameters])}:{_value(name, line)}"


def _parameter(key: str, value: str) -> str:
    return (
        ",".join(sorted(value.replace('"', "").lower().split(","))) if key.upper() == "TYPE" else value.replace('"', "")
    )


def _value(name: str, line: Line) -> str:
    if name in ("ATTENDEE", "ORGANIZER"):
        return line.value.casefold()
    if name == "RECURRENCE-ID":
        return in_utc(line, line.value)
    if name == "RRULE":
        return ";".join(sorted(line.value.upper().split(";")))
    if {key.upper() for key, _ in line.parameters} & {"BASE64", "ENCODING"} and name in ("LOGO", "PHOTO"):
        return re.sub(r"\s", "", line.value)
    return line.value


def meaning(text: bytes) -> Meaning:
    """Return what the item of a text says, by topic; not what says when and by whom it was written."""
    return meaning_of(read(text))


def meaning_of(item: Component) -> Meaning:
    told: dict[Topic, list[tuple[str, bytes]]] = defaultdict(list)
    _tell(told, ("", "", ""), item)
    for inside in item.inside:
        if inside.name in MASTERS:
            place = place_told(inside)
            _tell(told, place, inside)
            for alarm in inside.inside:
                said = _whole(alarm)
                told[(*place, ALARM, alarm.value("UID") or said[0][0])].extend(said)
        else:
            told[("", "", "", ZONE, inside.value("TZID"))].extend(_whole(inside))
    return {
        # Who says the same twice says no more than once.
        topic: Said(tuple(sorted({text for text, _ in said})), tuple(sorted(raw for _, raw in said)))
        for topic, said in told.items()
    }


def place_told(component: Component) -> Topic:
    """Return the place of an event, task or journal entry."""
    named = component.first("RECURRENCE-ID")
    return (component.name, component.value("UID"), in_utc(named, named.value) if named else "")


def _whole(component: Component) -> list[tuple[str, bytes]]:
    """Return a component as one thing that is said."""
    texts = [text for one in component.all() for text in sorted(map(canonical, one.lines))]
    return [("\n".join(texts), b"\n".join(line.raw for one in component.all() for line in one.lines))]


def _tell(told: dict[Topic, list[tuple[str, bytes]]], place: Topic, component: Component) -> None:
    labelled = _labelled(component)
    for line in component.lines:
        name = line.name.upper()
        if line.group:
            told[(*place, LABELLED, labelled[line.group])].append((canonical(line), line.raw.partition(b".")[2]))
        elif name in LISTS:
            for entry in line.value.split(",") if name != "MEMBER" else [line.value]:
                # One line may tell several entries; where it stands is not what is said.
                said = in_utc(line, entry)
                told[(*place, name, said)].append((said, line.raw))
        elif name not in REVISION:
            told[(*place, *_topic(component, line))].append((canonical(line), line.raw))


def _labelled(card: Component) -> dict[str, str]:
    """Return by group the lines that make it what it is: all but the label."""
    groups: dict[str, list[str]] = defaultdict(list)
    for line in card.lines:
        if line.group and line.name.upper() not in LABELS:
            groups[line.group].append(canonical(line))
    return {line.group: "\n".join(sorted(groups[line.group])) or canonical(line) for line in card.lines if line.group}


def _topic(component: Component, line: Line) -> Topic:
    name = line.name.upper()
    if component.name == "VCARD":
        if name in ("N", "FN"):
            return (NAME, "")
        return (name, canonical(line).partition(":")[0]) if name in MANY else (name, "")
    if name in WHEN:
        return (TIME, "")
    if name in STATE and component.name == "VTODO":
        return (TASK, "")
    return (name, line.value.casefold()) if name == "ATTENDEE" else (ONE_THING.get(name, name), "")


def changed(before: Meaning, after: Meaning) -> set[Topic]:
    """Return the topics of which two items say different things."""
    return {topic for topic in before.keys() | after.keys() if says(before, topic) != says(after, topic)}


def says(told: Meaning, topic: Topic) -> tuple[str, ...]:
    return told[topic].canonical if topic in told else ()


def touch_each_other(ours: set[Topic], theirs: set[Topic]) -> bool:
    """Tell whether of two sides' changes one may have to give way to the other."""
    return bool(ours & theirs) or _bears_on(ours, theirs) or _bears_on(theirs, ours)


def _bears_on(ours: set[Topic], theirs: set[Topic]) -> bool:
    """Tell whether what one side changed makes what the other one changed another thing."""
    # What was said of a time that is another one now: who comes, which occurrences there are, what is done.
    moved = any(kind_of(topic) == TIME and not is_occurrence(topic) for topic in ours)
    of_a_time = any(is_occurrence(topic) or kind_of(topic) in ("ATTENDEE", "EXDATE", TASK) for topic in theirs)
    # An occurrence may be taken out, or told for the first time, as a whole.
    occurrences = {place_of(topic) for topic in ours if is_occurrence(topic)}
    return bool((moved and of_a_time) or occurrences & set(map(place_of, theirs)))


def zones_used(text: bytes) -> set[str]:
    return {
        line.parameter("TZID") for component in read(text).all() for line in component.lines if line.parameter("TZID")
    }


def zones_told(text: bytes) -> set[str]:
    return {component.value("TZID") for component in read(text).all() if component.name == "VTIMEZONE"}
