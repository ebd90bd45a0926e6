"""How much memory each process of a screening takes at its most, at 1, 2 and 4 times so many patients.

python -m benchmarks.hospital_memory [PATIENTS] [--processes N]     500 by default

Each screening is a process of its own, which starts others; the peak of each is its VmHWM, read when its work is done. The limits
wanted: 150 MiB, and within 10 % of each other. The data are made once and cut by patient, about 230 kB each.
"""

from __future__ import annotations

import argparse
import json
import subprocess  # nosec B404
import sys
import tempfile
import threading
from pathlib import Path

from benchmarks.generate import Hospital, write_hospital

LIMIT_MIB = 150
WITHIN = 0.10
_TIMES = (1, 2, 4)
_PERIOD = 0.02
_PEAK = "VmHWM"


def main() -> int:
    """Prints a table; 1 if a limit is not met."""
    asked = _parser().parse_args()
    if asked.screen is not None:
        return _screen(asked.screen, asked.everyone, asked.processes)
    is_met = True
    for everyone in (False, True):
        peaks: list[float] = []
        for times in _TIMES:
            with tempfile.TemporaryDirectory(prefix="hospital-memory-") as made:
                write_hospital(
                    Path(made), Hospital(asked.patients * times, prevalence=asked.prevalence, medications=asked.medications)
                )
                size = sum(path.stat().st_size for path in Path(made).iterdir())
                found = _measured(Path(made), everyone, asked.processes)
            peaks.append(max(found["peaks"]))
            shown = ", ".join(f"{peak:.0f}" for peak in found["peaks"])
            way = "everyone" if everyone else "candidates"
            print(
                f"{way:10} {asked.patients * times:7} patients {size / 1e6:8.0f} MB  {found['rows']:7} rows  MiB: {shown}",
                flush=True,
            )
        spread = max(peaks) / min(peaks) - 1
        print(
            f"{'':10} highest {max(peaks):.0f} MiB (wanted: {LIMIT_MIB}), spread {spread:.0%} (wanted: {WITHIN:.0%})", flush=True
        )
        is_met = is_met and max(peaks) <= LIMIT_MIB and spread <= WITHIN
    print("Met." if is_met else "NOT met.")
    return 0 if is_met else 1


def _measured(folder: Path, everyone: bool, processes: int) -> dict[str, list[float]]:
    command = [sys.executable, "-m", "benchmarks.hospital_memory", "--screen", str(folder), "--processes", str(processes)]
    done = subprocess.run(  # noqa: S603  # nosec B603
        [*command, *(["--everyone"] if everyone else [])], stdout=subprocess.PIPE, text=True, check=True
    )
    result: dict[str, list[float]] = json.loads(done.stdout)
    return result


def _screen(folder: Path, everyone: bool, processes: int) -> int:
    from benchmarks.chart import AS_OF
    from benchmarks.comparing import TRIALS
    from fhir_trial import load_trial
    from fhir_trial.population.asking import Question
    from fhir_trial.population.screening import screened

    trials = [load_trial(name) for name in TRIALS]
    over, peaks = threading.Event(), dict[int, float]()
    watch = threading.Thread(target=_watch, args=(over, peaks))
    with screened(folder, Question(trials, AS_OF, everyone=everyone, processes=processes), lambda _: _look(peaks)) as (_, rows):
        watch.start()
        count = sum(1 for _ in rows)
        over.set()
        watch.join()
    print(json.dumps({"rows": count, "peaks": sorted(peaks.values(), reverse=True)}))
    return 0


def _watch(over: threading.Event, peaks: dict[int, float]) -> None:
    while not over.wait(_PERIOD):
        _look(peaks)


def _look(peaks: dict[int, float]) -> None:
    """At this process and those that it started."""
    tasks = Path("/proc/self/task").glob("*/children")
    for name in ("self", *(child for task in tasks for child in task.read_text().split())):
        status = Path("/proc", name, "status")
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except OSError:
            continue
        if _PEAK in lines:
            peaks[int(lines["Pid"])] = int(lines[_PEAK].split()[0]) / 1024


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hospital_memory")
    parser.add_argument("patients", type=int, nargs="?", default=500)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--prevalence", type=float, default=0.02)
    parser.add_argument("--medications", type=int, default=400, help="resources of type Medication, which belong to no patient")
    parser.add_argument("--screen", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--everyone", action="store_true", help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    sys.exit(main())
