"""Answers to what is asked of somebody at a time, which hold for that time alone.

Who accepts an invitation accepts it for the time that it was for: where that is another one now, the answer is again
that none was given (RFC 6638 section 3.2.8, RFC 5546 section 2.1.4).  So an attendee's answer is a part of its own: who
changes the attendee's role does not answer, and who answers changes nothing else.  A task that comes again and again is
done for the time that it had: who moved it on to the next time and who did it did the same, and the next one is yet to
be done.
"""

import re

from mirror.model.content_lines import Line, inside_of, raw_line
from mirror.model.edits import Parts
from mirror.model.memory import kept_of_small
from mirror.model.names import ANSWER, ATTENDEE, DONE, at, context_of, own_name, place_of
from mirror.model.values import address, parameters

NOT_ANSWERED = b"NEEDS-ACTION"
NOT_DONE = b"STATUS:NEEDS-ACTION"
_HOLE = b"\x01"
"""Stands in an attendee's line for the answer."""
_ANSWER = re.compile(rb"(;PARTSTAT=)([A-Za-z-]{1,32})(?=[;:])", re.IGNORECASE)
_HOLED = re.compile(rb"(;PARTSTAT=)\x01", re.IGNORECASE)
_TOLD_ANSWER = re.compile(rb";PARTSTAT=(?:\"[^\"\n]*\"|[^;:\"\n]*)", re.IGNORECASE)
_FOLD = re.compile(rb"\n[ \t]")
_RECURS = re.compile(rb"^(?:RRULE|RDATE)[;:]", re.MULTILINE | re.IGNORECASE)


def taken_apart(line: Line) -> tuple[bytes, bytes]:
    """Return an attendee's line without the answer, and that."""
    return _taken_apart(*line)


@kept_of_small
def _taken_apart(name: str, raw: bytes, text: str) -> tuple[bytes, bytes]:
    told = parameters(Line(name, raw, text)).get("PARTSTAT", [])
    answer = told[0].upper().encode("ascii", "replace") if told else NOT_ANSWERED
    if not re.fullmatch(rb"[A-Z-]{1,32}", answer):
        return raw, NOT_ANSWERED
    return _ANSWER.sub(rb"\1" + _HOLE, raw, count=1), answer


def put_together(attendee: bytes, answer: bytes | None) -> bytes:
    """Return an attendee's line with an answer; of several lines as they are."""
    answer = answer or NOT_ANSWERED
    if _HOLED.search(attendee):
        return _HOLED.sub(rb"\1" + answer, attendee, count=1)
    (line, *others) = inside_of("X", attendee).lines
    if others or taken_apart(line)[1] == answer:
        return attendee
    # The answer is not told there, or a fold cuts it in two.
    text = re.sub(r";PARTSTAT=(?:\"[^\"]*\"|[^;:\"]*)", "", line.text, count=1, flags=re.IGNORECASE)
    return raw_line(f"{text[: len(ATTENDEE) - 1]};PARTSTAT={answer.decode('ascii')}{text[len(ATTENDEE) - 1 :]}")


def shown_text(parts: Parts, name: str) -> bytes | None:
    """Return what a text shows of a part: that, or that there is no answer yet where it is to another time."""
    part = parts.get(name)
    context = context_of(name)
    if part.holds is None or not context or part.under >= parts.get(context).edit:
        return part.holds
    if own_name(name) == DONE:
        recurs = _RECURS.search(parts.get(context).holds or b"")
        return NOT_DONE if recurs else part.holds
    return part.holds if _asks(parts, name) else NOT_ANSWERED


def _asks(parts: Parts, name: str) -> bool:
    """Tell whether an answer is of who asks; the organizer has answered by asking."""
    organizer = parts.get(at(place_of(name), "ORGANIZER")).holds
    asks = {address(line.value) for line in inside_of("X", organizer).lines} if organizer else set()
    return own_name(name).removeprefix(ANSWER) in asks


def without_answer(attendee: bytes) -> bytes:
    """Return an attendee's lines, unfolded, without what they say of an answer, and without where it would stand."""
    return _TOLD_ANSWER.sub(b"", _FOLD.sub(b"", attendee))


def is_answer(name: str) -> bool:
    """Tell whether a part is what an attendee answers."""
    return own_name(name).startswith(ANSWER)
