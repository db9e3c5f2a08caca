"""Items after public bug reports merge to what was meant: each case of cases/ has its right value here."""

from case_files import apart, run_case


def test_a_new_time_and_a_new_title_are_both_kept() -> None:
    joined = run_case("ok-time-and-title")
    assert {"DTSTART:20260111T100000Z", "DTEND:20260111T110000Z", "SUMMARY:two"} <= set(joined.lines)
    assert joined.lost == []


def test_an_address_in_capitals_is_the_same_attendee() -> None:
    joined = run_case("ok-mailto-in-capitals")
    # Who writes the address otherwise has not edited it, so it stays as it was.
    assert [line for line in joined.lines if "ATTENDEE" in line] == ["ATTENDEE;PARTSTAT=ACCEPTED:MAILTO:A@Example.org"]
    assert "SUMMARY:two" in joined.lines
    assert joined.lost == []


def test_phones_of_two_kinds_added_and_taken_out() -> None:
    joined = run_case("ok-phones-of-two-kinds")
    phones = [line for line in joined.lines if line.startswith("TEL")]
    assert sorted(phones) == ["TEL;TYPE=CELL:+1 111", "TEL;TYPE=WORK:+1 333"]
    assert joined.lost == []


def test_two_events_of_one_uid_are_compared_as_a_whole() -> None:
    joined = run_case("ok-two-masters")
    assert joined.record.body == joined.beta.body
    assert [loser for loser, _ in joined.losers] == [joined.alpha]


def test_a_calendar_inside_a_multipart_merges_and_its_boundaries_stay() -> None:
    joined = run_case("ok-multipart")
    assert {"DTSTART:20260111T100000Z", "SUMMARY:two"} <= set(joined.lines)
    assert joined.text.startswith(
        b'Content-type: multipart/alternative; boundary="b"\r\n\r\n--b\r\nContent-type: text/'
    )
    assert joined.text.endswith(b"END:VCALENDAR\r\n\r\n--b--\r\n")
    assert joined.lost == []


def test_lines_that_end_in_two_cr_and_lf_merge_without_empty_lines() -> None:
    joined = run_case("ok-line-ends-cr-cr-lf")
    assert {"DTSTART:20260111T100000Z", "SUMMARY:two"} <= set(joined.lines)
    assert b"DESCRIPTION:d\r\r\n" in joined.text
    assert joined.text.partition(b"\r\n\r\n")[2].count(b"\n") == joined.text.count(b"\r\r\n") == 12
    assert joined.lost == []


def test_an_event_as_citadels_web_client_saves_it_merges_and_stays_encoded_as_it_was() -> None:
    joined = run_case("webcit-event")
    assert {"DTSTART:20260111T100000Z", "DTEND:20260111T110000Z", "SUMMARY:two"} <= set(joined.lines)
    assert joined.lost == []
    head, _, body = joined.text.partition(b"\r\n\r\n")
    assert head == b"Content-type: text/calendar\r\nContent-Transfer-Encoding: quoted-printable"
    lines = body.split(b"=\n")
    assert len(lines) > 2
    assert all(len(line) == 73 for line in lines[:-1])
    assert b"\n" not in b"".join(lines)
    assert lines[0] == b"BEGIN:VCALENDAR=0AVERSION:2.0=0AMETHOD:PUBLISH=0APRODID:-//x//EN=0ABEGIN:"


def test_a_soft_line_break_before_a_blank_is_no_fold() -> None:
    joined = run_case("quoted-printable-item")
    assert {"DTSTART:20260111T100000Z", "SUMMARY:two", "COMMENT:Breaks before a blank and goes on"} <= set(joined.lines)
    assert b"\r\nContent-transfer-encoding: quoted-printable\r\n\r\n" in joined.text
    assert joined.lost == []


def test_a_line_folded_inside_a_letter_is_unfolded_before_it_is_decoded() -> None:
    joined = run_case("octet-folded-item")
    assert {"DTSTART:20260111T100000Z", "SUMMARY:two"} <= set(joined.lines)
    assert "DESCRIPTION:" + "Y" * 62 + "ä" * 20 in joined.lines
    folded = next(line for line in joined.base.body.split(b"\r\n") if line.startswith(b"DESCRIPTION"))
    assert folded in joined.text.split(b"\r\n")  # and nobody edited it, so it is folded as it was
    assert joined.lost == []


def test_a_card_of_ten_thousand_lines() -> None:
    def card(phone: str, note: str) -> bytes:
        lines = ["BEGIN:VCARD", "VERSION:3.0", "UID:k", "N:Doe;Jane;;;", "FN:Jane Doe"]
        lines += [f"X-CUSTOM-{number}:value {number}" for number in range(10_000)]
        return "\r\n".join([*lines, f"TEL;TYPE=CELL:{phone}", f"NOTE:{note}", "END:VCARD", ""]).encode()

    joined = apart(card("1", "n"), card("2", "n"), card("1", "m"), "vcf")
    assert {"TEL;TYPE=CELL:2", "NOTE:m"} <= set(joined.lines)
    assert {f"X-CUSTOM-{number}:value {number}" for number in range(10_000)} <= set(joined.lines)
    assert joined.lost == []


def test_who_only_writes_in_other_words_undoes_nothing() -> None:
    joined = run_case("rewritten-not-edited")
    assert "DTSTART;TZID=Europe/Berlin:20260106T100000" in joined.lines
    assert "ATTENDEE;PARTSTAT=ACCEPTED;CN=A:mailto:a@example.org" in joined.lines
    assert "SUMMARY:two" in joined.lines
    assert joined.lost == []


def test_a_time_of_revision_may_have_an_offset() -> None:
    joined = run_case("rev-with-offset")
    assert {"TEL;TYPE=CELL:2", "NOTE:m"} <= set(joined.lines)
    assert joined.lost == []
    assert joined.alpha.born == joined.base.born


def test_a_sequence_that_is_left_out_is_no_step_back() -> None:
    joined = run_case("sequence-left-out")
    assert {"DTSTART:20260111T100000Z", "SUMMARY:two", "SEQUENCE:2"} <= set(joined.lines)
    assert joined.lost == []


def test_a_time_zone_stays_while_it_is_used() -> None:
    joined = run_case("zone-and-override")
    lines = joined.lines
    assert {"TZID:Europe/Berlin", "TZID:America/New_York"} <= set(lines)
    assert "RECURRENCE-ID;TZID=Europe/Berlin:20260112T100000" in lines
    assert "DTSTART;TZID=America/New_York:20260105T040000" in lines
    assert lines.index("BEGIN:VTIMEZONE") < lines.index("BEGIN:VEVENT")
    # Where the override speaks of no instance any more, that is told.
    assert set(joined.lost) >= {"beta identity"}


def test_a_task_has_one_state() -> None:
    joined = run_case("task-done-and-in-progress")
    assert {"STATUS:IN-PROCESS", "PERCENT-COMPLETE:50"} <= set(joined.lines)
    assert not any(line.startswith("COMPLETED") for line in joined.lines)
    assert joined.lost == ["alpha STATUS"]


def test_groups_of_one_label_that_both_added_are_two_groups() -> None:
    joined = run_case("card-groups-both-add")
    labels = {line.partition(".")[0]: [] for line in joined.lines if line.startswith("item")}
    for line in joined.lines:
        if line.startswith("item"):
            label, _, rest = line.partition(".")
            labels[label].append(rest)
    assert sorted(sorted(rest) for rest in labels.values()) == [
        ["EMAIL:j@example.org", "X-ABLabel:Newsletter"],
        ["TEL:+1 111", "X-ABLabel:Mobile"],
        ["TEL:+1 222", "X-ABLabel:Secretary"],
    ]
    assert joined.lost == []


def test_a_birthday_stands_once() -> None:
    joined = run_case("card-birthday-twice")
    assert [line for line in joined.lines if line.startswith("BDAY")] == ["BDAY:1980-01-03"]
    assert joined.lost == ["alpha BDAY"]


def test_both_exceptions_of_a_series_are_kept() -> None:
    joined = run_case("exceptions-on-both")
    assert sorted(line for line in joined.lines if line.startswith("EXDATE")) == [
        "EXDATE:20260112T100000Z",
        "EXDATE:20260119T100000Z",
    ]
    assert joined.lost == []


def test_members_that_both_added_are_all_there() -> None:
    joined = run_case("members-added-on-both")
    assert sorted(line for line in joined.lines if line.startswith("MEMBER")) == [
        f"MEMBER:urn:uuid:{number}" for number in (1, 2, 3, 4)
    ]
    assert joined.lost == []


def test_an_alarm_that_was_acknowledged_stays_so_while_another_one_is_added() -> None:
    joined = run_case("alarm-acknowledged-and-added")
    assert {"UID:al1", "ACKNOWLEDGED:20260110T095100Z", "UID:al2"} <= set(joined.lines)
    assert joined.lines.count("UID:al1") == 1
    assert joined.lost == []


def test_an_override_of_a_series_that_was_moved_is_told() -> None:
    joined = run_case("series-moved-override-added")
    assert {"DTSTART:20260106T120000Z", "RECURRENCE-ID:20260112T100000Z", "SUMMARY:S later"} <= set(joined.lines)
    assert "beta identity" in joined.lost
    assert not any(one.startswith("alpha") for one in joined.lost)


def test_a_card_inside_a_card_of_2_1_stays_behind_its_agent() -> None:
    joined = run_case("card21-agent")
    assert {"TEL;CELL:2", "NOTE:m"} <= set(joined.lines)
    at = joined.lines.index("AGENT:")
    assert joined.lines[at + 1 : at + 6] == [
        "BEGIN:VCARD",
        "VERSION:2.1",
        "N:Friday;Fred",
        "TEL;WORK:999",
        "END:VCARD",
    ]
    assert joined.lost == []


def test_the_blank_of_a_folded_line_of_2_1_belongs_to_its_text() -> None:
    joined = run_case("card21-folded-note")
    assert {"TEL;CELL:112", "EMAIL;INTERNET:b@example.org"} <= set(joined.lines)
    assert b"NOTE:The first part of a note\r\n and its second part\r\n" in joined.text
    assert joined.lost == []


def test_a_quoted_printable_name_of_2_1_goes_on_behind_its_soft_break() -> None:
    joined = run_case("card21-soft-break")
    assert {"TEL;CELL:112", "EMAIL;INTERNET:b@example.org"} <= set(joined.lines)
    name = joined.base.body.partition(b"\r\nN;")[2].partition(b"\r\nFN:")[0]
    assert b"\r\nN;" + name.partition(b"\r\nTEL")[0] in joined.text
    assert joined.lost == []
