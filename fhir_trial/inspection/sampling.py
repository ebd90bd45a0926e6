"""A few patients to try a server with: those with the trial's diagnosis first, whoever comes first otherwise.

One page of an answer is enough, and no more is read of a hospital's patients than that.
"""

from __future__ import annotations

from dataclasses import dataclass

from fhir_trial.errors import FatalServerError, ServerError, UsageError
from fhir_trial.sources.candidates import batches, disease_of, subjects
from fhir_trial.transport import FhirServer, NotAuthorisedError
from fhir_trial.transport.connection import StoppedError
from fhir_trial.trials.model import ResolvedTrial


@dataclass(frozen=True, slots=True)
class Sample:
    """References, how they were found, and whether a search by diagnosis works here (None: not tried)."""

    patients: tuple[str, ...]
    how: str
    by_diagnosis: bool | None


def sample(server: FhirServer, trial: ResolvedTrial, most: int) -> Sample:
    """At most ``most`` patients.

    Raises:
        ServerError: The server does not answer, or lets nobody be found for want of authorisation.
    """
    with server.likewise(most_pages=1) as one_page:
        found: dict[str, None] = {}
        why, works = "", None
        try:
            for tokens in batches(disease_of(trial).codes):
                answer = one_page.search("Condition", [("code", tokens)])
                found |= dict.fromkeys(subjects(answer.matches, disease_of(trial), server))
                works = True
                if len(found) >= most:
                    break
        except UsageError:
            why = "the trial names no condition"
        except NotAuthorisedError:
            works, why = False, "a search by diagnosis across patients is not authorised"
        except StoppedError:
            raise
        except ServerError:  # a heavy search may time out on a server that is well otherwise
            works, why = False, "a search by diagnosis across patients is refused or fails"
        if found:
            return Sample(tuple(found)[:most], "by a diagnosis of the trial's disease", works)
        return _first(one_page, most, why or "nobody with a diagnosis of the trial's disease was found", works)


def _first(server: FhirServer, most: int, why: str, works: bool | None) -> Sample:
    try:
        matches = server.search("Patient", []).matches
    except (NotAuthorisedError, StoppedError):
        raise
    except FatalServerError:
        return Sample((), f"nobody: {why}, and the server does not list its patients", works)
    names = [f"Patient/{patient['id']}" for patient in matches if isinstance(patient.get("id"), str)]
    return Sample(tuple(dict.fromkeys(names))[:most], f"the first that the server lists, since {why}", works)
