"""What the documents point to is there: files by links, and files and packages by name."""

import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PAGES = sorted([*TOP.glob("*.md"), *TOP.glob("docs/**/*.md")])
DECISIONS = sorted((TOP / "docs" / "decisions").glob("[0-9]*.md"))
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
NAMED = re.compile(r"`((?:mirror|netconf|tests|docs|contrib)(?:/[\w./-]+)?)`")


def test_pages_were_found() -> None:
    assert {"README.md", "CONTRIBUTING.md", "SECURITY.md", "architecture.md"} <= {page.name for page in PAGES}
    assert len(DECISIONS) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = [found[1] for found in LINK.finditer(page.read_text("utf-8"))]
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_all_its_parts_and_what_keeps_it_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Decided", "Why", "Otherwise, and what it costs", "Kept by"]
    number = int(page.name.partition("-")[0])
    assert text.startswith(f"# {number}. ")
    assert f"({page.name})" in (page.parent / "README.md").read_text("utf-8")
    kept_by = text.partition("## Kept by")[2]
    assert [name for name in NAMED.findall(kept_by) if not (TOP / name).exists()] == []
