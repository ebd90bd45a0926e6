"""``make demo``: the whole path on this machine, with everybody asked who they are, and every claim checked.

A FHIR server that asks for a token, filled with the sample bundles; a store, set up as a site sets it up; the service as a child
process, to which people sign in. The machine screens twice and writes once; a coordinator answers, an investigator decides, a
patient opts out; then one new laboratory result, after which only its patient changes. Exit status 1 if anything is otherwise.
"""

from fhir_trial.sandbox.demo.findings import Findings
from fhir_trial.sandbox.demo.machine import compare_runs

__all__ = ["Findings", "compare_runs"]
