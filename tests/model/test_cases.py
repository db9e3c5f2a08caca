"""Items after public bug reports merge to what was meant: each case of cases/ has its right value here."""

from case_files import apart, run_case


def test_a_new_time_and_a_new_title_are_both_kept() -> None:
    joined = run_case("ok-time-and-title")
    assert {"DTSTART:20260111T100000Z", "DTEND:20260111T110000Z", "SUMMARY:two"} <= set(joined.lines)
    assert joined.lost == []


def test_an_address_in_capitals_is_the_same_attendee() -> None:
    joined = run_case("ok-mailto-in-capitals")
    assert [line for line in joined.lines if "ATTENDEE" in line] == ["ATTENDEE;PARTSTAT=ACCEPTED:mailto:a@example.org"]
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
