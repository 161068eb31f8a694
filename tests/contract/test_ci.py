"""Checks that CI names the tests it skipped, and fails if it could have run them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # Each test runs pytest in a process of its own.

ROOT = Path(__file__).resolve().parents[2]
TESTS = {
    "one that runs": "def test_it(): pass",
    "a missing tool": "import pytest\ndef test_it(): pytest.skip('ceph is not installed')",
    "a missing package": "import pytest\ndef test_it(): pytest.importorskip('no_such_package')",
}


def judge(folder: Path, *texts: str) -> subprocess.CompletedProcess[str]:
    """Runs pytest on given tests as `make test` does, and .ci/skipped.py on its report."""
    for number, text in enumerate(texts):
        (folder / f"test_{number}.py").write_text(text, encoding="utf-8")
    report = folder / "report.xml"
    command = ["-m", "pytest", "-q", "--junitxml", str(report), "-p", "no:cacheprovider", "."]
    subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, check=False)
    judged = [sys.executable, str(ROOT / ".ci/skipped.py"), str(report)]
    return subprocess.run(judged, capture_output=True, text=True, check=False)


def test_every_skipped_test_is_shown_with_its_reason(tmp_path: Path) -> None:
    done = judge(tmp_path, TESTS["one that runs"], TESTS["a missing tool"], TESTS["a missing tool"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SKIPPED 1 of test_1: ceph is not installed" in done.stdout
    assert "CI ran 1 tests and skipped 2" in done.stdout


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([TESTS["one that runs"], TESTS["a missing package"]], "no_such_package"),
        ([], "no test at all"),
    ],
)
def test_ci_fails_where_it_could_have_run_a_test(
    tmp_path: Path, texts: list[str], words: str
) -> None:
    done = judge(tmp_path, *texts)
    assert done.returncode == 1
    assert words in done.stdout.splitlines()[-1]


def test_ci_runs_lint_tests_and_the_list_of_skipped_tests() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    commands = [line for line in script.splitlines() if line.startswith(("make", ".venv"))]
    assert commands == [
        "make lint",
        'make test REPORT="$report"',
        '.venv/bin/python .ci/skipped.py "$report"',
    ]
    target = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"pytest .*-rfEs .*--junitxml=", target)


def test_no_check_of_the_manifests_needs_a_tool() -> None:
    for name in ("test_manifests.py", "test_network.py"):
        text = (ROOT / "tests" / "contract" / name).read_text(encoding="utf-8")
        skips = re.findall(r"(?:skipif|skip|importorskip)\(.*", text)
        # Only the comparison with kubectl may be skipped, because the checks render without it.
        assert len(skips) == (name == "test_manifests.py"), skips
