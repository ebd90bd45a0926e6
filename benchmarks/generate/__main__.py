"""python -m benchmarks.generate FOLDER --patients N [--seed S] [--prevalence 0.02] [--form plain] ..."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from time import perf_counter

from benchmarks.generate.forms import FORMS, rewrite
from benchmarks.generate.hospital import Hospital, write_hospital


def main() -> None:
    """Writes a hospital, and says how large it is."""
    asked = _parser().parse_args()
    hospital = Hospital(asked.patients, asked.seed, asked.prevalence, asked.ballast, asked.broken_lines, asked.medications)
    begun = perf_counter()
    if asked.form == "plain":
        write_hospital(asked.folder, hospital)
    else:
        asked.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=asked.folder, prefix=".plain-") as plain:
            write_hospital(Path(plain), hospital)
            rewrite(Path(plain), asked.folder, asked.form, asked.seed)
    seconds = perf_counter() - begun
    size = sum(path.stat().st_size for path in asked.folder.iterdir() if not path.name.startswith("."))
    print(
        f"{asked.patients} patients, {size / 1e6:.1f} MB, {size / max(asked.patients, 1) / 1e3:.1f} kB each, in {seconds:.1f} s"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.generate", description="A hospital in NDJSON, with the truth known."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=int, required=True)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--prevalence", type=float, default=0.02, help="of each trial's disease")
    parser.add_argument("--form", choices=sorted(FORMS), default="plain")
    parser.add_argument("--ballast", type=float, default=1.0, help="of resources that no trial reads, as a share of the usual")
    parser.add_argument("--medications", type=int, default=400, help="resources of type Medication, which belong to no patient")
    parser.add_argument("--broken-lines", action="store_true")
    return parser


if __name__ == "__main__":
    main()
