"""What people do to an item, by name.  Each edit takes the item and a small number, and tells whether it could be done.

Just what was meant is changed; how the program writes the rest is said in corpus.manners.
"""

from collections.abc import Callable
from datetime import timedelta

from corpus.lines import Component, Line, new, with_parameter, with_value
from corpus.times import shifted

Edit = Callable[[Component, int], bool]
MASTERS = ("VEVENT", "VTODO", "VJOURNAL")
WEEK = timedelta(days=7)


def masters(item: Component) -> list[Component]:
    return [one for one in item.inside if one.name in MASTERS and one.first("RECURRENCE-ID") is None]


def overrides(item: Component) -> list[Component]:
    return [one for one in item.inside if one.name in MASTERS and one.first("RECURRENCE-ID") is not None]


def _set(component: Component, name: str, text: str) -> bool:
    """Write a property that stands once: its value, or a new line."""
    held = component.first(name)
    if held is None:
        component.add(new(text))
    else:
        component.put(held, with_value(held, new(text).value))
    return True


def _of_master(name: str, text: str, kinds: tuple[str, ...] = MASTERS) -> Edit:
    def edit(item: Component, number: int) -> bool:
        return all(_set(one, name, text.format(number)) for one in masters(item) if one.name in kinds) and any(
            one.name in kinds for one in masters(item)
        )

    return edit


# -- calendars ----------------------------------------------------------------------------------------


def move(item: Component, number: int) -> bool:
    (one,) = masters(item)
    lines = one.named("DTSTART", "DTEND", "DUE")
    for line in lines:
        one.put(line, shifted(line, timedelta(days=number, hours=1)))
    return bool(lines)


def make_longer(item: Component, number: int) -> bool:
    (one,) = masters(item)
    line = one.first("DTEND")
    if line is not None:
        one.put(line, shifted(line, timedelta(minutes=15 * (number + 1))))
    return line is not None


def move_to_utc(item: Component, _number: int) -> bool:
    """Move an event into another zone; its program takes out the zones that nothing needs any more."""
    (one,) = masters(item)
    lines = [line for line in one.named("DTSTART", "DTEND", "DUE") if line.parameter("TZID")]
    for line in lines:
        kept = tuple(pair for pair in line.parameters if pair[0].upper() != "TZID")
        one.put(line, Line("", line.name, kept, line.value + "Z"))
    used = {line.parameter("TZID") for inside in item.inside for line in inside.lines}
    for zone in [inside for inside in item.inside if inside.name == "VTIMEZONE" and inside.value("TZID") not in used]:
        item.drop(zone)
    return bool(lines)


def repeat_less(item: Component, number: int) -> bool:
    (one,) = masters(item)
    rule = one.first("RRULE")
    if rule is not None:
        one.put(rule, with_value(rule, f"{rule.value};INTERVAL={number + 2}".replace("INTERVAL=1;", "")))
    return rule is not None and rule.value.count("INTERVAL") == 0


def leave_out(item: Component, number: int) -> bool:
    """Take out an occurrence, as a line of its own or in a line that is there."""
    (one,) = masters(item)
    start, rule, held = one.first("DTSTART"), one.first("RRULE"), one.first("EXDATE")
    if start is None or rule is None:
        return False
    told = shifted(start, WEEK * (number + 2))
    if held is not None and number % 2:
        one.put(held, with_value(held, f"{held.value},{told.value}"))
    else:
        one.add(Line("", "EXDATE", told.parameters, told.value))
    return True


def change_occurrence(item: Component, number: int) -> bool:
    """Change the title of an occurrence that is told, or of one that is not yet."""
    told = overrides(item)
    if told and number % 2:
        return _set(told[0], "SUMMARY", f"SUMMARY:occurrence {number}")
    (one,) = masters(item)
    start, rule = one.first("DTSTART"), one.first("RRULE")
    if start is None or rule is None:
        return False
    named = shifted(start, WEEK * (number + 10))
    known = [other for other in told if other.value("RECURRENCE-ID") == named.value]
    if known:
        return _set(known[0], "SUMMARY", f"SUMMARY:occurrence {number}")
    made = Component(one.name, [line._replace(raw=b"") for line in one.lines], one.begin, one.end, one.shown)
    for line in made.named("RRULE", "RDATE", "EXDATE", "ATTENDEE", "ORGANIZER"):
        made.drop(line)
    for line in made.named("DTSTART", "DTEND", "DUE"):
        made.put(line, shifted(line, WEEK * (number + 10)))
    made.add(Line("", "RECURRENCE-ID", named.parameters, named.value))
    item.add(made)
    return _set(made, "SUMMARY", f"SUMMARY:occurrence {number}")


def forget_occurrence(item: Component, _number: int) -> bool:
    """Cancel an occurrence that is told: it is taken out, and becomes an exception."""
    (one,), told = masters(item), overrides(item)
    if not told:
        return False
    named = told[0].first("RECURRENCE-ID")
    assert named is not None
    item.drop(told[0])
    one.add(Line("", "EXDATE", named.parameters, named.value))
    return True


def add_alarm(item: Component, number: int) -> bool:
    (one,) = masters(item)
    lines = ["ACTION:DISPLAY", f"TRIGGER:-PT{number + 2}M", "DESCRIPTION:ring"]
    if number % 2:
        lines.insert(0, f"UID:alarm-{number}")
    one.add(Component("VALARM", [new(line) for line in lines]))
    return one.name != "VJOURNAL"


def drop_alarm(item: Component, number: int) -> bool:
    alarms = [inside for inside in masters(item)[0].inside if inside.name == "VALARM"]
    if alarms:
        masters(item)[0].drop(alarms[number % len(alarms)])
    return bool(alarms)


def acknowledge(item: Component, number: int) -> bool:
    """Dismiss an alarm, as Apple does it or as Thunderbird does."""
    (one,) = masters(item)
    alarms = [inside for inside in one.inside if inside.first("UID") is not None]
    if alarms:
        return _set(alarms[0], "ACKNOWLEDGED", f"ACKNOWLEDGED:20250101T00000{number}Z")
    return bool(one.inside) and _set(one, "X-MOZ-LASTACK", f"X-MOZ-LASTACK:20250101T00000{number}Z")


def answer(item: Component, number: int) -> bool:
    (one,) = masters(item)
    people = one.named("ATTENDEE")
    if people:
        line = people[number % len(people)]
        said = "DECLINED" if line.parameter("PARTSTAT") == "ACCEPTED" else "ACCEPTED"
        one.put(line, with_parameter(line, "PARTSTAT", said))
    return bool(people)


def invite(item: Component, number: int) -> bool:
    (one,) = masters(item)
    one.add(new(f"ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION:mailto:guest{number}@example.org"))
    return one.name == "VEVENT" and bool(one.named("ORGANIZER"))


def uninvite(item: Component, number: int) -> bool:
    (one,) = masters(item)
    people = one.named("ATTENDEE")
    if people:
        one.drop(people[number % len(people)])
    return bool(people)


def finish(item: Component, number: int) -> bool:
    (one,) = masters(item)
    return one.name == "VTODO" and all((
        _set(one, "STATUS", "STATUS:COMPLETED"),
        _set(one, "PERCENT-COMPLETE", "PERCENT-COMPLETE:100"),
        _set(one, "COMPLETED", f"COMPLETED:2025010{number + 1}T100000Z"),
    ))  # fmt: skip


def work_on(item: Component, number: int) -> bool:
    (one,) = masters(item)
    return one.name == "VTODO" and all((
        _set(one, "STATUS", "STATUS:IN-PROCESS"),
        _set(one, "PERCENT-COMPLETE", f"PERCENT-COMPLETE:{50 + number}"),
    ))  # fmt: skip


def advance(item: Component, _number: int) -> bool:
    """Do a task that recurs: it comes again the next time."""
    (one,) = masters(item)
    if one.name != "VTODO" or one.first("RRULE") is None:
        return False
    for line in one.named("DTSTART", "DUE"):
        one.put(line, shifted(line, WEEK))
    return _set(one, "STATUS", "STATUS:NEEDS-ACTION")


def categorise(item: Component, number: int) -> bool:
    """Add a category: to the list that is there, or as a line of its own."""
    one = item if item.name == "VCARD" else masters(item)[0]
    held = one.first("CATEGORIES")
    if held is None or (number % 2 and item.name != "VCARD"):
        one.add(new(f"CATEGORIES:new {number}"))
    else:
        one.put(held, with_value(held, f"{held.value},new {number}"))
    return not item.is_old


def uncategorise(item: Component, number: int) -> bool:
    one = item if item.name == "VCARD" else masters(item)[0]
    held = one.first("CATEGORIES")
    if held is None:
        return False
    entries = held.value.split(",")
    entries.pop(number % len(entries))
    if entries:
        one.put(held, with_value(held, ",".join(entries)))
    else:
        one.drop(held)
    return True


def forget_place(item: Component, _number: int) -> bool:
    (one,) = masters(item)
    held = one.first("LOCATION")
    if held is not None:
        one.drop(held)
    return held is not None


# -- cards --------------------------------------------------------------------------------------------


def _of_card(name: str, text: str) -> Edit:
    def edit(item: Component, number: int) -> bool:
        return _set(item, name, text.format(number))

    return edit


def add_phone(item: Component, number: int) -> bool:
    kind = ("FAX", "PAGER")[number % 2]
    item.add(new(f"TEL;{kind if item.is_old else f'TYPE={kind}'}:+1 {number}"))
    return True


def _change(name: str, text: str) -> Edit:
    def edit(item: Component, number: int) -> bool:
        held = item.named(name)
        if held:
            line = held[number % len(held)]
            item.put(line, with_value(line, text.format(number)))
        return bool(held)

    return edit


def _drop(name: str) -> Edit:
    def edit(item: Component, number: int) -> bool:
        held = [line for line in item.named(name) if not line.group]
        if held:
            item.drop(held[number % len(held)])
        return bool(held)

    return edit


def rename_person(item: Component, number: int) -> bool:
    _set(item, "N", f"N:Family;Given {number};;;")
    return _set(item, "FN", f"FN:Given {number} Family")


def add_labelled(item: Component, number: int) -> bool:
    """Add a number or an address with a label of its own, under the next free name of a group, as Apple does."""
    taken = {line.group for line in item.lines}
    group = next(f"item{free}" for free in range(1, 99) if f"item{free}" not in taken)
    what = "TEL" if number % 2 else "EMAIL"
    item.add(new(f"{group}.{what}:labelled{number}@example.org"), new(f"{group}.X-ABLabel:label {number}"))
    return not item.is_old


def label_anew(item: Component, number: int) -> bool:
    labels = [line for line in item.lines if line.is_named("X-ABLABEL")]
    if labels:
        item.put(labels[0], with_value(labels[0], f"other label {number}"))
    return bool(labels)


def drop_labelled(item: Component, _number: int) -> bool:
    labels = [line for line in item.lines if line.is_named("X-ABLABEL")]
    for line in [line for line in item.lines if labels and line.group == labels[0].group]:
        item.drop(line)
    return bool(labels)


def set_birthday(item: Component, number: int) -> bool:
    """Write a birthday anew, with the parameters that the program uses."""
    held = item.first("BDAY")
    if held is not None:
        item.drop(held)
    item.add(new(f"BDAY:1990010{number + 1}" if number % 2 else f"BDAY;VALUE=DATE:1990020{number + 1}"))
    return True


def add_member(item: Component, number: int) -> bool:
    item.add(new(f"MEMBER:mailto:member{number}@example.org"))
    return bool(item.named("MEMBER"))


CALENDAR: dict[str, Edit] = {
    "another title": _of_master("SUMMARY", "SUMMARY:title {}"),
    "another place": _of_master("LOCATION", "LOCATION:place {}\\, upstairs"),
    "another description": _of_master("DESCRIPTION", "DESCRIPTION:é description {}\\nof two lines"),
    "a status": _of_master("STATUS", "STATUS:TENTATIVE", ("VEVENT",)),
    "a priority": _of_master("PRIORITY", "PRIORITY:{}"),
    "an unknown property": _of_master("X-SOMETHING", "X-SOMETHING:value {}"),
    "no place": forget_place,
    "moved": move,
    "longer": make_longer,
    "another zone": move_to_utc,
    "another rule": repeat_less,
    "an exception": leave_out,
    "an occurrence changed": change_occurrence,
    "an occurrence cancelled": forget_occurrence,
    "an alarm": add_alarm,
    "an alarm less": drop_alarm,
    "acknowledged": acknowledge,
    "answered": answer,
    "somebody invited": invite,
    "somebody left out": uninvite,
    "done": finish,
    "in process": work_on,
    "the next time": advance,
    "a category": categorise,
    "a category less": uncategorise,
}
CARD: dict[str, Edit] = {
    "a note": _of_card("NOTE", "NOTE:a note {}"),
    "an organisation": _of_card("ORG", "ORG:organisation {}"),
    "a title": _of_card("TITLE", "TITLE:title {}"),
    "an unknown property": _of_card("X-SOMETHING", "X-SOMETHING:value {}"),
    "another name": rename_person,
    "a birthday": set_birthday,
    "a phone": add_phone,
    "another number": _change("TEL", "+99 {}"),
    "another mail address": _change("EMAIL", "other{}@example.org"),
    "another address": _change("ADR", ";;Street {};City;;1000;"),
    "a phone less": _drop("TEL"),
    "a mail address less": _drop("EMAIL"),
    "something labelled": add_labelled,
    "another label": label_anew,
    "something labelled less": drop_labelled,
    "a category": categorise,
    "a category less": uncategorise,
    "a member": add_member,
}
