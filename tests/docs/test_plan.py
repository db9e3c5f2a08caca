"""The docs show the tables of what is done about one thing of a server, as the modules that do it have them."""

from pathlib import Path
from types import ModuleType

import pytest

from mirror.sync.foreign import back, plan

DOCS = (Path(__file__).parents[2] / "docs" / "citadel.md").read_text("utf-8")


@pytest.mark.parametrize("module", [plan, back])
def test_the_docs_show_the_table_as_it_is(module: ModuleType) -> None:
    rows = [line for line in (module.__doc__ or "").splitlines() if line.startswith("|")]
    assert len(rows) > 5 and "\n\n" + "\n".join(rows) + "\n\n" in DOCS
