"""The compiled tables say what their sources say, and load fast."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from fhir_trial.terminology import load_terminology

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "scripts" / "build_mappings.py"


@pytest.mark.skipif(not BUILD.exists(), reason="an installed package has no sources to compile")
def test_the_committed_tables_equal_their_sources() -> None:
    checked = subprocess.run([sys.executable, str(BUILD), "--check"], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr


def test_the_whole_terminology_loads_in_a_twentieth_of_a_second() -> None:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        load_terminology()
        times.append(time.perf_counter() - start)

    assert min(times) < 0.06
