"""What the pages name exists: links, files in backticks, and the tree of the README."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "squadron"
README = ROOT / "README.md"
MOST_WORDS = 1000
CITED = re.compile(r"\bdocs/[\w/-]+\.md\b")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FOLDERS = "benchmarks components docker docs examples experiments launch manifests src tests"
PAGES = sorted(
    {*ROOT.glob("*.md"), *(page for top in FOLDERS.split() for page in (ROOT / top).rglob("*.md"))}
)
ROOMS = " ".join(path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists())
# `docs/README.md` of the checkout, or `data/windows.py` of a room, which needs its ending: a schema
# is written like `scores/2`.
NAMED = re.compile(
    rf"`((?:{FOLDERS})/[\w./-]*|(?:{ROOMS})/(?:[\w./-]*(?:\.\w+|/))?)`".replace(" ", "|")
)


def find_missing(page: Path, text: str) -> list[str]:
    """What a page links or names in backticks that is not there."""
    prose = FENCE.sub("", text)
    missing = []
    for link in LINK.findall(prose):
        name, _, part = link.partition("#")
        target = page.parent / name if name else page
        if "://" not in link and not (target.exists() and has_part(target, part)):
            missing.append(link)
    for name in NAMED.findall(prose):
        if not (ROOT / name).exists() and not (SOURCE / name).exists():
            missing.append(name)
    return missing


def has_part(page: Path, part: str) -> bool:
    """Says whether a page has the heading that the end of a link names, as GitHub writes it."""
    if not part:
        return True
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return part in {re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in headings}


def read_tree(text: str) -> list[str]:
    """The paths that the tree of the README names; two blanks stand for the folder above."""
    (tree,) = (block for block in FENCE.findall(text) if "src/squadron/" in block)
    paths, above = [], ""
    for line in tree.splitlines()[1:-1]:
        # Names end at the first wide gap; a continued description begins with one.
        names = re.split(r"\s{2,}", line.strip())[0].split()
        if line.startswith("   "):
            continue
        if not line.startswith("  "):
            above = names[0]
        paths += [above + name if line.startswith("  ") else name for name in names]
    return paths


def test_the_pages_are_found() -> None:
    assert README in PAGES
    assert ROOT / "docs/architecture.md" in PAGES
    assert len(PAGES) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_links_or_names_is_there(page: Path) -> None:
    assert find_missing(page, page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("[a page](nowhere.md#part)", ["nowhere.md#part"]),
        ("[a part](docs/review.md#no-such-part)", ["docs/review.md#no-such-part"]),
        ("[a part](docs/review.md#what-the-words-mean)", []),
        ("see `data/no_such_module.py`", ["data/no_such_module.py"]),
        ("see `src/squadron/nothing/`", ["src/squadron/nothing/"]),
        ("`docs/README.md`, [a site](https://example.com/x.md), `data.train`", []),
        ("```\n[a page](nowhere.md)\n```", []),
    ],
)
def test_a_dead_link_is_seen(text: str, missing: list[str]) -> None:
    assert find_missing(README, text) == missing


def test_pages_that_the_code_names_are_there() -> None:
    named = set[str]()
    for top in FOLDERS.split():
        for file in (ROOT / top).rglob("*"):
            if file.suffix in {".py", ".yaml", ".j2", ".sh"}:
                named |= set(CITED.findall(file.read_text(encoding="utf-8")))
    assert len(named) > 10
    assert {name for name in named if not (ROOT / name).exists()} == set()


def test_the_index_lists_every_page_of_docs() -> None:
    index = ROOT / "docs" / "README.md"
    links = {link.partition("#")[0] for link in LINK.findall(index.read_text(encoding="utf-8"))}
    pages = {str(p.relative_to(index.parent)) for p in PAGES if p.is_relative_to(index.parent)}
    assert pages - links == {"README.md"}


def test_the_tree_of_the_readme_has_every_room_and_nothing_else() -> None:
    paths = read_tree(README.read_text(encoding="utf-8"))
    assert [path for path in paths if not (ROOT / path).exists()] == []
    folders = {f"src/squadron/{room}/" for room in ROOMS.split()}
    files = {f"src/squadron/{f.name}" for f in SOURCE.glob("[!_]*.py")}
    assert (folders | files) - set(paths) == set()


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").split()) <= MOST_WORDS
