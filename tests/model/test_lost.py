"""What merging takes away unseen is told, shown or not, and can be had back."""

from mirror.model.draft import Draft, base_of
from mirror.model.edit import restoring, successor, written
from mirror.model.item import find_item
from mirror.model.merge import Merged, inline_body, merge
from mirror.model.record import Record

SERIES = (
    "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:k\nDTSTART:202601{day}T100000Z\nRRULE:FREQ=WEEKLY\n{exception}"
    "ATTENDEE;RSVP=TRUE:mailto:ann@x\n{guest}END:VEVENT\n{occurrence}END:VCALENDAR\n"
)
OCCURRENCE = (
    "BEGIN:VEVENT\nUID:k\nRECURRENCE-ID:20260108T100000Z\nDTSTART:20260108T110000Z\nSUMMARY:{title}\nEND:VEVENT\n"
)
EXCEPTION = "EXDATE:20260108T100000Z\n"
GUEST = "ATTENDEE;PARTSTAT={answer}:mailto:bob@x\n"


def put(
    held: Record | None, stamp: int, origin: str, exception: str = "", guest: str = "", title: str = "", day: str = "01"
) -> Record:
    occurrence = OCCURRENCE.format(title=title) if title else ""
    body = SERIES.format(exception=exception, guest=guest, occurrence=occurrence, day=day).encode()
    return successor(held, Record("messages/r", "euid:k", 0, "", 0, body=body), stamp, origin)


def lost_of(merged: Merged) -> list[tuple[str, set[str]]]:
    """Return who lost what, by the parts' own names."""
    pairs = zip(merged.losers, merged.parts, strict=True)
    return [(loser.origin, {name.rpartition("\n")[2] for name in names}) for loser, names in pairs]


def lines_of(record: Record) -> list[str]:
    item = find_item(record.body)
    assert item is not None
    return [line.text for part in item.component.inside for line in part.lines]


def test_what_was_written_into_an_occurrence_that_is_taken_out_is_told_and_comes_back() -> None:
    first = put(None, 10, "a", title="Moved")
    left = put(first, 20, "a", exception=EXCEPTION)
    right = put(first, 30, "b", title="Moved again")
    merged = merge(left, right)
    assert lines_of(merged.record).count("UID:k") == 1
    names = {"identity", "when", "SUMMARY", "EXDATE:20260108T100000Z"}
    assert lost_of(merged) == [("b", names)]
    draft = restoring(right, merged.parts[0], base_of(merged.record), merged.record, inline_body)
    back = written(merged.record, draft, 40, "a")
    assert back.losers == ()
    assert {"SUMMARY:Moved again", "DTSTART:20260108T110000Z"} <= set(lines_of(back.record))
    assert not any(line.startswith("EXDATE") for line in lines_of(back.record))
    assert merge(back.record, right) == Merged(back.record)


def test_who_had_seen_what_was_written_into_an_occurrence_takes_it_out_without_a_conflict() -> None:
    first = put(None, 10, "a", title="Moved")
    again = put(first, 20, "b", title="Moved again")
    out = put(again, 30, "a", exception=EXCEPTION)
    assert merge(out, again) == Merged(out)


def test_the_answer_of_who_was_left_out_meanwhile_is_told() -> None:
    first = put(None, 10, "a", guest=GUEST.format(answer="NEEDS-ACTION"))
    left = put(first, 20, "a", guest=GUEST.format(answer="ACCEPTED"))
    right = put(first, 30, "b")
    merged = merge(left, right)
    assert "mailto:bob" not in "".join(lines_of(merged.record))
    assert lost_of(merged) == [("a", {"ATTENDEE:mailto:bob@x", "PARTSTAT:mailto:bob@x"})]
    assert merge(put(left, 40, "b"), left).losers == ()


def test_who_moves_a_series_and_leaves_somebody_out_had_seen_the_answer() -> None:
    first = put(None, 10, "a", guest=GUEST.format(answer="ACCEPTED"))
    left = put(first, 20, "a", guest=GUEST.format(answer="ACCEPTED"))
    assert merge(left, put(first, 30, "b", day="02")).losers == ()


def test_a_stale_answer_of_who_was_left_out_meanwhile_is_told() -> None:
    first = put(None, 10, "a", guest=GUEST.format(answer="NEEDS-ACTION"))
    answered = put(first, 20, "b", guest=GUEST.format(answer="ACCEPTED"))
    name = "VEVENT\nk\n\n\nPARTSTAT:mailto:bob@x"
    draft = Draft("messages/r", "euid:k", base_of(first), body=answered.body, changed=(name,))
    made = written(put(first, 20, "a"), draft, 30, "b")
    assert [(loser.record.origin, name in loser.parts) for loser in made.losers] == [("b", True)]


TASK = (
    "BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:k\nDUE:202601{day}T100000Z\nRRULE:FREQ=WEEKLY\n{state}END:VTODO\nEND:VCALENDAR\n"
)
STATE = "VTODO\nk\n\n\nSTATUS"


def test_that_a_task_was_done_for_a_time_that_a_stale_draft_had_not_seen_moved_is_told() -> None:
    def task(held: Record | None, stamp: int, day: str) -> Record:
        body = TASK.format(day=day, state="").encode()
        return successor(held, Record("messages/r", "euid:k", 0, "", 0, body=body), stamp, "a")

    first = task(None, 10, "05")
    moved = task(first, 20, "12")
    done = TASK.format(day="05", state="STATUS:COMPLETED\n").encode()
    draft = Draft("messages/r", "euid:k", base_of(first), body=done, changed=(STATE,))
    made = written(moved, draft, 30, "b")
    assert {"DUE:20260112T100000Z", "STATUS:NEEDS-ACTION"} <= set(lines_of(made.record))
    assert [(loser.record.origin, loser.parts) for loser in made.losers] == [("b", (STATE,))]
    assert merge(made.record, moved).losers == ()
