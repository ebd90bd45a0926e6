"""How fast a hospital is screened: whole processes, in turns with the least that can be done with the same files.

python -m benchmarks.hospital_speed [PATIENTS] [--folder EXPORT]     2,000 by default

Each round runs `wc -l`, DuckDB's read_ndjson of two columns (where it is installed), plain decoding of every line with msgspec,
`hospital screen` of whoever shows a sign, and with --everyone that of all. What is compared are medians of the rounds. The limits
wanted are LIMITS; the run says whether each is met, and fails above HOLDS, so that what was reached is not lost. A part of each
screening is the start of Python and of the trial, which `start` shows on one patient: in a small hospital it is most of it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess  # nosec B404
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.chart import AS_OF
from benchmarks.generate import Hospital, write_hospital

#: Way -> (what it is compared with, so many times as long is the most that is wanted, above so many the run fails).
LIMITS = {"candidates": ("wc", 6.5, 30.0), "everyone": ("msgspec", 5.0, 25.0)}
_DUCKDB = """
import sys, duckdb
columns = "columns={resourceType: 'VARCHAR', id: 'VARCHAR'}, maximum_object_size=67108864"
files = f"read_ndjson('{sys.argv[1]}/*.ndjson', {columns})"
duckdb.sql(f"select count(resourceType), count(id) from {files}").fetchall()
"""
_MSGSPEC = """
import sys, pathlib, msgspec
decode = msgspec.json.Decoder().decode
for path in pathlib.Path(sys.argv[1]).glob("*.ndjson"):
    with path.open("rb") as opened:
        for line in opened:
            decode(line)
"""


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of a process and those it started, on the clock and of the processors; MiB of the largest of them at its most."""

    wall: float
    cpu: float
    peak: float


def main() -> int:
    """Prints a table; 1 if a way is slower than what was reached."""
    asked = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="hospital-speed-", dir=asked.workspace) as made:
        folder, small = asked.folder or Path(made) / "export", Path(made) / "small"
        write_hospital(small, Hospital(1, asked.seed, 1.0))
        if asked.folder is None:
            write_hospital(folder, Hospital(asked.patients, asked.seed, asked.prevalence))
        size = sum(path.stat().st_size for path in folder.glob("*.ndjson"))
        cores, load = os.cpu_count(), os.getloadavg()[0]
        print(
            f"{size / 1e6:.0f} MB in {folder.name}, prevalence {asked.prevalence:.1%}, {cores} cores, load {load:.1f}", flush=True
        )
        took = _rounds(asked.rounds, _commands(folder, small, Path(made), everyone=asked.everyone))
    return _tell(took, size)


def _commands(folder: Path, small: Path, workspace: Path, *, everyone: bool) -> dict[str, list[str]]:
    files = [str(path) for path in sorted(folder.glob("*.ndjson"))]
    screen = [sys.executable, "-m", "fhir_trial", "hospital", "screen", "--as-of", AS_OF.isoformat(), "--keep"]
    commands = {"wc": ["wc", "-l", *files]}
    if importlib.util.find_spec("duckdb") is not None:
        commands["duckdb"] = [sys.executable, "-c", _DUCKDB, str(folder)]
    commands["msgspec"] = [sys.executable, "-c", _MSGSPEC, str(folder)]
    commands["start"] = [*screen, str(workspace / "RUN"), str(small)]
    commands["candidates"] = [*screen, str(workspace / "RUN"), str(folder)]
    if everyone:
        commands["everyone"] = [*commands["candidates"], "--everyone"]
    return commands


def _rounds(rounds: int, commands: dict[str, list[str]]) -> dict[str, list[Took]]:
    took: dict[str, list[Took]] = defaultdict(list)
    run(commands["wc"])  # the files are in memory from now on
    for nth in range(rounds):
        for way, command in commands.items():
            took[way].append(run([part.replace("RUN", f"{way}-{nth}") if part.endswith("/RUN") else part for part in command]))
    return took


def run(command: list[str]) -> Took:
    """A command of our own, from its start to its end.

    Raises:
        SystemExit: It failed.
    """
    begun = perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:  # noqa: S603  # nosec B603
        _, status, usage = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode not in (0, 1):  # 1: a remark of the server was left out
        raise SystemExit(f"It ended with {running.returncode}: {' '.join(command[:6])} ...")
    return Took(perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _tell(took: dict[str, list[Took]], size: int) -> int:
    walls = {way: median(one.wall for one in each) for way, each in took.items()}
    print(f"{'':12}{'wall s':>8}{'CPU s':>8}{'MB/s':>9}{'x wc':>8}{'MiB':>7}   walls of all rounds")
    for way, each in took.items():
        rate = "" if way == "start" else f"{size / walls[way] / 1e6:.0f}"
        cpu, peak = median(one.cpu for one in each), max(one.peak for one in each)
        shown = " ".join(f"{one.wall:.2f}" for one in each)
        print(f"{way:12}{walls[way]:8.2f}{cpu:8.2f}{rate:>9}{walls[way] / walls['wc']:8.1f}{peak:7.0f}   {shown}")
    holds = True
    for way, (least, limit, most) in LIMITS.items():
        if way in walls:
            ratio, beyond = walls[way] / walls[least], (walls[way] - walls["start"]) / walls[least]
            said = "met" if ratio <= limit else "NOT met"
            print(f"{way}: {ratio:.1f} times {least}, {beyond:.1f} without the start (wanted: {limit}): {said}")
            holds = holds and beyond <= most
    print("Holds." if holds else "Slower than what was reached.")
    return 0 if holds else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hospital_speed")
    parser.add_argument("patients", type=int, nargs="?", default=2000)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--prevalence", type=float, default=0.02)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--everyone", action="store_true", help="All patients too: about ten minutes for 2,000.")
    parser.add_argument("--folder", type=Path, help="an export that is there, instead of one made now")
    parser.add_argument("--workspace", type=Path, help="where to write; the system's temporary folder unless given")
    return parser


if __name__ == "__main__":
    sys.exit(main())
