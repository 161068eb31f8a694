"""Says loudly which tests were skipped, and fails where CI could have run them.

Usage: python .ci/skipped.py JUNIT_XML
"""

import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

INSTALLABLE = re.compile(r"could not import|package is not installed", re.IGNORECASE)
"""Reasons that name a Python package: `make setup` installs them all, so none may be missing."""


def main(report: Path) -> int:
    """Prints one line per test file and reason, then a sum; returns the exit code."""
    cases = list(ElementTree.parse(report).iter("testcase"))
    skipped: Counter[tuple[str, str]] = Counter()
    for case in cases:
        for skip in case.iter("skipped"):
            skipped[case.get("classname", ""), skip.get("message", "no reason given")] += 1
    for (name, reason), count in sorted(skipped.items()):
        print(f"SKIPPED {count} of {name}: {reason}")
    avoidable = [reason for _, reason in skipped if INSTALLABLE.search(reason)]
    print(f"CI ran {len(cases) - skipped.total()} tests and skipped {skipped.total()}")
    if not cases or avoidable:
        print(f"This must not happen on CI: {avoidable or 'no test at all'}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
