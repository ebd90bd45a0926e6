"""Names every test that did not run, so that a green suite never hides one.

Reads the JUnit file that pytest wrote. Exit code 1 if nothing ran at all, or if something was skipped while
FORBID_SKIPS is set (continuous integration, which installs whatever a test could want).
"""

import os
import sys
from pathlib import Path
from xml.etree import ElementTree  # our own file, written a moment ago by pytest


def main(report: Path, *, forbid: bool) -> int:
    """Print one line a skipped test, then one line that sums up; return the exit code."""
    cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314
    skipped = [(case, reason) for case in cases for reason in case.iter("skipped") if reason.get("type") != "pytest.xfail"]

    for case, reason in skipped:
        print(f"skipped: {case.get('classname')}.{case.get('name')}: {reason.get('message')}")
    print(f"{len(cases) - len(skipped)} tests ran, {len(skipped)} skipped.")

    if not cases:
        return 1
    return 1 if skipped and forbid else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), forbid=bool(os.environ.get("FORBID_SKIPS"))))
