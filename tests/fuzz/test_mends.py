"""Each mend is taken out, and a short form of the fuzzer or of the simulation notices that.

'contrib/fuzz/ctdlmirror-fuzz mends' does the same and says what they notice.
"""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import taking_out
from forms import DAMAGED, DIALLED, RELOADED, Form
from mends import MENDS, Mend
from taking_out import Gone, main, noticed, taken_out

NO_MEND = Mend(
    "a fault", "what mends nothing", {"mirror.model.judge.finding": print}, Form("a form", lambda: iter([])), ""
)


@pytest.mark.parametrize("mend", MENDS, ids=[f"{mend.fault}, {mend.form.name}" for mend in MENDS])
def test_without_a_mend_its_fault_is_noticed(mend: Mend) -> None:
    assert noticed(mend)


@pytest.mark.parametrize("form", [DAMAGED, DIALLED, RELOADED], ids=lambda form: form.name)
def test_with_all_mends_in_place_nothing_is_found(form: Form) -> None:
    """The others are tried in test_stateful.py and tests/simulation/test_attacks.py."""
    assert list(form.problems()) == []


@pytest.mark.parametrize("name", ["mirror.model.judge.gone", "mirror.no.such.thing", "mirror.model.edit.Gone.judge"])
def test_a_name_that_is_no_more_is_told(name: str) -> None:
    with pytest.raises(Gone, match=f"{name} is no more: the table in tests/fuzz/mends.py has to name"):
        noticed(NO_MEND._replace(out={name: print}))


def test_what_was_taken_out_is_put_back() -> None:
    before = taking_out.holder_of("mirror.model.judge.finding").finding
    with taken_out(NO_MEND):
        assert taking_out.holder_of("mirror.model.judge.finding").finding is print
    assert taking_out.holder_of("mirror.model.judge.finding").finding is before


def test_the_command_tells_what_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a NUL in a key"]) == 0
    assert "1 mends taken out, 1 noticed" in capsys.readouterr().out


def test_the_command_fails_where_nothing_is_noticed_or_a_form_finds_something_anyhow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    always = Form("a sick form", lambda: iter(["it is always so"]))
    gone = NO_MEND._replace(fault="another fault", out={"mirror.model.judge.gone": print})
    monkeypatch.setattr(taking_out, "MENDS", (NO_MEND, gone, NO_MEND._replace(fault="a third one", form=always)))
    assert main(["--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["noticed"] for one in told["in_place"]] == [False, True]
    assert [one["noticed"] for one in told["taken_out"]] == [False, False, True]
    assert "mirror.model.judge.gone is no more" in told["taken_out"][1]["says"]
    assert main([]) == 1
    shown = capsys.readouterr().out
    assert "WRONG: a sick form, with all mends in place: it is always so" in shown
    assert "WRONG: a fault, without what mends nothing: nothing is noticed" in shown
