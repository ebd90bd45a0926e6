"""What screening many patients from a server costs: CPU seconds of our process, as a ratio to a bare loop of the same requests.

The server is a process of its own that answers from memory. The bare loop sends the very same GETs and POSTs with requests, and
decodes each answer with msgspec: the least that a loop over a session can cost. As most people write it, with the session's own
defaults and ``.json()``, it costs 1.3 to 1.4 times as much. The two are measured in this process and take turns by BATCH
patients, so that a busy machine slows both. The limit wanted is 1.5, the aim 1.2; the run says whether it is met, and fails above
HOLDS, so that what was reached is not lost.

python -m benchmarks.screen_server [PATIENTS]     500 by default
"""

import gc
import json
import subprocess  # nosec B404
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from functools import partial
from statistics import median
from time import process_time

import msgspec
import requests

from benchmarks.chart import AS_OF
from benchmarks.replay import TRIAL
from fhir_trial import load_trial
from fhir_trial.sources.server import ServerSource
from fhir_trial.transport import FhirServer
from fhir_trial.trials.model import ResolvedTrial
from fhir_trial.wiring.library import screen_each

READ = "C7.4"  # hemoglobin: with evidence, the records were read
PATIENTS = 500
BATCH = 50
LIMIT = 1.5
AIM = 1.2
HOLDS = 3.0
_TIMEOUT = 60

Requests = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Turn:
    """CPU seconds for one batch of patients: the bare loop, reading without a trial applied, screening."""

    bare: float
    reading: float
    screening: float


def main(patients: int) -> int:
    """Print the medians, their ratio and the requests; 1 if nothing was read, or the ratio is above HOLDS."""
    trial = load_trial(TRIAL)
    names = [f"p{nth}" for nth in range(patients)]
    with replay() as root, requests.Session() as session:
        session.trust_env = False
        if screened(root, names[:2], trial) != 2:  # warms up as well
            print(f"Nothing was screened: {READ} rests on no evidence.")
            return 1
        gc.collect()
        turns: list[Turn] = []
        sent: Requests = []
        for start in range(0, patients, BATCH):
            batch = names[start : start + BATCH]
            already = len(log_of(root))
            screening = seconds(partial(screened, root, batch, trial))
            asked = log_of(root)[already:]
            bare = seconds(partial(loop, session, root, asked))
            turns.append(Turn(bare, seconds(partial(only_read, root, batch, trial)), screening))
            sent += asked
    ratio = median(turn.screening / turn.bare for turn in turns)
    report(patients, sent, turns, ratio)
    return 0 if ratio <= HOLDS else 1


def report(patients: int, sent: Requests, turns: list[Turn], ratio: float) -> None:
    """In words and numbers."""
    bare, reading, screening = (sum(column) for column in zip(*map(astuple, turns), strict=True))
    met = "met, and the aim too" if ratio <= AIM else "met" if ratio <= LIMIT else f"NOT met; fails above {HOLDS:g}"
    print(f"{patients} patients, {len(sent)} requests, by turns of {BATCH}; CPU of this process:")
    print(f"  bare loop      {bare:8.3f} s   {1000 * bare / patients:8.2f} ms a patient")
    print(f"  only reading   {reading:8.3f} s   {1000 * reading / patients:8.2f} ms a patient, no trial applied")
    print(f"  screening      {screening:8.3f} s   {1000 * screening / patients:8.2f} ms a patient")
    print(f"  ratio          {ratio:8.2f}     median of the turns (wanted: at most {LIMIT:g}, aim {AIM:g}: {met})")
    print(f"  of it reading  {median(turn.reading / turn.bare for turn in turns):8.2f}")
    print("Requests a patient (docs/pull.md says why):")
    kinds = Counter(kind_of(each) for each in sent)
    for kind, count in sorted(kinds.items()):
        print(f"  {kind:32} {count / patients:6.2f}")
    print(f"  {'together':32} {len(sent) / patients:6.2f}")


def kind_of(request: dict[str, str]) -> str:
    """Method and type, as in "POST Condition"."""
    return f"{request['method']} {request['path'].split('?')[0].split('/')[2]}"


def screened(root: str, names: list[str], trial: ResolvedTrial) -> int:
    """Screens each; how many answers rest on evidence."""
    with FhirServer(f"{root}/fhir") as server:
        verdicts = screen_each(ServerSource(server, names), [trial], as_of=AS_OF)
        return sum(bool(verdict.answer(READ).evidence) for verdict in verdicts)


def only_read(root: str, names: list[str], trial: ResolvedTrial) -> int:
    """Reads each as screening does; how many."""
    with FhirServer(f"{root}/fhir") as server:
        return sum(1 for _ in ServerSource(server, names).patients(trial.needs))


def loop(session: requests.Session, root: str, sent: Requests) -> None:
    """The same requests, each answer decoded and dropped."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for each in sent:
        headers = form if each["body"] else None
        answer = session.request(
            each["method"], root + each["path"], data=each["body"] or None, headers=headers, timeout=_TIMEOUT
        )
        msgspec.json.decode(answer.content)


def log_of(root: str) -> Requests:
    """What the server was asked so far."""
    return [json.loads(line) for line in requests.get(f"{root}/log", timeout=_TIMEOUT).text.splitlines()]


def seconds(work: Callable[[], object]) -> float:
    """CPU of one call: user and system, without what the server does."""
    begun = process_time()
    work()
    return process_time() - begun


@contextmanager
def replay() -> Iterator[str]:
    """The server's address; it ends with the block."""
    command = [sys.executable, "-m", "benchmarks.replay"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603  # nosec B603
        try:
            yield server.stdout.readline().strip() if server.stdout else ""
        finally:
            server.terminate()


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else PATIENTS))
