"""Sums up a mutation run: how many mutants survived the tests, and whether that is few enough.

Reads what `mutmut export-cicd-stats` wrote. A mutant that no test reaches has survived. Exit code 1 at LIMIT per cent or more:
then each survivor needs a test or an explanation.
"""

import json
import sys
from pathlib import Path

LIMIT = 10


def main(stats: Path) -> int:
    """Print one line; return the exit code."""
    counts: dict[str, int] = json.loads(stats.read_text())
    tried = counts["total"] - counts["skipped"]
    survived = counts["survived"] + counts["no_tests"] + counts["suspicious"]
    if tried == 0:
        print("No mutant was made.")
        return 1

    share = 100 * survived / tried
    print(f"{survived} of {tried} mutants survived: {share:.1f} % (fewer than {LIMIT} % are wanted).")
    return 0 if share < LIMIT else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
