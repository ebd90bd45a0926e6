"""Whether a population screened at once gets the answers that one patient at a time gets, in every form of the same content.

python -m benchmarks.same_answers --patients 2000
python -m benchmarks.same_answers --patients 100000 --forms plain

One digest over every answer and its evidence for each way and form; exit status 1 if one differs. For one patient at a time, the
hospital is written in slices of a few patients, each with all that patients share, and each read by the reader of whole folders:
so any size fits into memory.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from shutil import rmtree
from time import perf_counter

from benchmarks.chart import AS_OF
from benchmarks.comparing import TRIALS, expected_candidates, one_at_a_time
from benchmarks.generate import FORMS, Hospital, rewrite, write_hospital
from fhir_trial import load_trial
from fhir_trial.population.asking import Question
from fhir_trial.population.rows import Row, digest_of
from fhir_trial.population.screening import screened
from fhir_trial.trials.model import ResolvedTrial

_SLICE = 50

#: (patient, trial) -> digest of its row
Answers = dict[tuple[str, str], bytes]


def main() -> int:
    """Prints a line for each form; 1 if one of them differs."""
    asked = _parser().parse_args()
    hospital = Hospital(asked.patients, asked.seed, asked.prevalence, asked.ballast)
    trials = [load_trial(name) for name in TRIALS]
    with tempfile.TemporaryDirectory(prefix="same-answers-", dir=asked.folder) as made:
        folder = Path(made)
        write_hospital(folder / "plain", hospital)
        expected = expected_candidates(folder / "plain")
        begun = perf_counter()
        known = _digests(_in_slices(hospital, folder / "slice", trials))
        _tell("one at a time", "", known, True, perf_counter() - begun)
        chosen = {key: digest for key, digest in known.items() if key[0] in expected}
        verdicts = [_compare(folder, form, trials, known, chosen, asked.processes) for form in asked.forms]
    print("Equal." if all(verdicts) else "NOT equal.")
    return 0 if all(verdicts) else 1


def _compare(folder: Path, form: str, trials: list[ResolvedTrial], known: Answers, chosen: Answers, processes: int) -> bool:
    """Everybody's answers and the candidates' in one form."""
    here = folder / form
    if form != "plain":
        rewrite(folder / "plain", here, form)
    verdicts: list[bool] = []
    for everyone, wanted in ((True, known), (False, chosen)):
        begun = perf_counter()
        with screened(here, Question(trials, AS_OF, everyone=everyone, processes=processes)) as (_, rows):
            found = _digests(rows)
        verdicts.append(found == wanted)
        _tell(form, "everyone" if everyone else "candidates", found, verdicts[-1], perf_counter() - begun)
    if form != "plain":
        rmtree(here)
    return all(verdicts)


def _digests(rows: Iterable[Row]) -> Answers:
    return {(row.patient, row.trial): bytes.fromhex(digest_of([row]).removeprefix("rows-")) for row in rows}


def _in_slices(hospital: Hospital, folder: Path, trials: list[ResolvedTrial]) -> Iterator[Row]:
    shared: dict[str, list[bytes]] = defaultdict(list)
    own: dict[str, list[bytes]] = defaultdict(list)
    for nth, (known, lines) in enumerate(hospital.records()):
        for kind, line in lines:
            (shared if nth == 0 else own)[kind].append(line)
        if known is not None and nth % _SLICE == 0:
            yield from _slice(folder, shared, own, trials)
            own.clear()
    yield from _slice(folder, shared, own, trials)


def _slice(
    folder: Path, shared: dict[str, list[bytes]], own: dict[str, list[bytes]], trials: list[ResolvedTrial]
) -> Iterator[Row]:
    folder.mkdir()
    for kind in {*shared, *own}:
        (folder / f"{kind}.ndjson").write_bytes(b"".join((*shared.get(kind, ()), *own.get(kind, ()))))
    yield from one_at_a_time(folder, trials)[1]
    rmtree(folder)


def _tell(form: str, way: str, found: Answers, is_equal: bool, seconds: float) -> None:
    whole = hashlib.sha256(b"".join(found[key] for key in sorted(found))).hexdigest()
    print(
        f"{form:20} {way:10} {len(found):8} answers  {whole[:32]}  {'equal' if is_equal else 'DIFFERENT':9} {seconds:8.1f} s",
        flush=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_answers")
    parser.add_argument("--patients", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--prevalence", type=float, default=0.02)
    parser.add_argument("--ballast", type=float, default=0.05, help="of resources that no trial reads, as a share of the usual")
    parser.add_argument("--forms", nargs="*", choices=sorted(FORMS), default=list(FORMS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where to write; the system's temporary folder unless given")
    return parser


if __name__ == "__main__":
    sys.exit(main())
