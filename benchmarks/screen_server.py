"""What screening many patients from a server costs: CPU seconds of our process, as a ratio to a bare loop of the same requests.

The server is a process of its own that answers from memory. The bare loop sends the very same GETs and POSTs with requests, and
decodes each answer with msgspec: what nobody who reads from a server can save. Both are measured in this process, in turn. The
limit wanted is 1.5, the aim 1.2; the run says whether it is met, and fails above HOLDS, so that what was reached is not lost.

python -m benchmarks.screen_server [PATIENTS]     100 by default
"""

import gc
import json
import subprocess  # nosec B404
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
PATIENTS = 100
LIMIT = 1.5
AIM = 1.2
HOLDS = 6.0
ROUNDS = 3
_TIMEOUT = 60

Requests = list[dict[str, str]]


def main(patients: int) -> int:
    """Print the medians, their ratio and the requests; 1 if nothing was read, or the ratio is above HOLDS."""
    trial = load_trial(TRIAL)
    names = [f"p{nth}" for nth in range(patients)]
    with replay() as root:
        read = screened(root, names[:2], trial)  # warms up as well
        if read != 2:
            print(f"Nothing was screened: {READ} rests on no evidence.")
            return 1
        already = len(log_of(root))
        screened(root, names, trial)
        sent = log_of(root)[already:]
        with requests.Session() as session:
            session.trust_env = False
            bare, alone, ours = measure(
                lambda: loop(session, root, sent), lambda: only_read(root, names, trial), lambda: screened(root, names, trial)
            )
    report(patients, sent, bare, alone, ours)
    return 0 if median(ours) / median(bare) <= HOLDS else 1


def report(patients: int, sent: Requests, bare: list[float], alone: list[float], ours: list[float]) -> None:
    """In words and numbers."""
    ratio = median(ours) / median(bare)
    met = "met, and the aim too" if ratio <= AIM else "met" if ratio <= LIMIT else f"NOT met; fails above {HOLDS:g}"
    print(f"{patients} patients, {len(sent)} requests, {ROUNDS} rounds each, in turn; CPU of this process, medians:")
    print(f"  bare loop      {median(bare):8.3f} s   {1000 * median(bare) / patients:8.2f} ms a patient")
    print(f"  only reading   {median(alone):8.3f} s   {1000 * median(alone) / patients:8.2f} ms a patient, no trial applied")
    print(f"  screening      {median(ours):8.3f} s   {1000 * median(ours) / patients:8.2f} ms a patient")
    print(f"  ratio          {ratio:8.2f}     (wanted: at most {LIMIT:g}, aim {AIM:g}: {met})")
    print("Requests a patient:")
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


def measure(*works: Callable[[], object]) -> list[list[float]]:
    """CPU seconds of each round, for each work, the works taking turns."""
    gc.collect()
    rounds = [[seconds(work) for work in works] for _ in range(ROUNDS)]
    return [list(column) for column in zip(*rounds, strict=True)]


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
