"""What an outbox promises, shown on the one in memory: WB-03, WB-08, SEC-60."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fhir_trial.writeback import MemoryOutbox
from fhir_trial.writeback.outbox import Intent, IntentState, Outbox

NOW = datetime(2026, 3, 2, 6, 5, tzinfo=UTC)
INTENT = Intent(
    key="k1",
    tenant="default",
    server="https://ehr.example.invalid/fhir",
    patient="Patient/p1",
    trial="nct00000000",
    kind="ResearchSubject",
    identifier="s|v",
    interaction="create",
    body={"resourceType": "ResearchSubject"},
)


def test_an_open_intent_of_the_same_key_is_not_doubled_and_a_closed_one_is() -> None:
    """WB-03."""
    outbox: Outbox = MemoryOutbox()
    first = outbox.intend(INTENT, NOW)
    outbox.mark(first, IntentState.SENT, NOW, tenant="default")

    assert outbox.intend(INTENT, NOW) == first
    outbox.mark(first, IntentState.CONFIRMED, NOW, tenant="default", reference="ResearchSubject/1", version="1")
    assert outbox.intend(INTENT, NOW) != first


def test_a_later_intent_for_the_same_resource_supersedes_an_open_one_elsewhere_none() -> None:
    """WB-08."""
    outbox = MemoryOutbox()
    others = [replace(INTENT, key="a", server="x"), replace(INTENT, key="b", kind="x"), replace(INTENT, key="c", identifier="x")]
    numbers = [outbox.intend(each, NOW) for each in (INTENT, *others, replace(INTENT, key="k2"))]

    states = {kept.number: kept.state for kept in outbox.kept()}

    assert states[numbers[0]] is IntentState.SUPERSEDED
    assert {states[number] for number in numbers[1:]} == {IntentState.PENDING}


def test_each_sending_counts_as_an_attempt() -> None:
    outbox = MemoryOutbox()
    number = outbox.intend(INTENT, NOW)

    for state in (IntentState.SENT, IntentState.SENT, IntentState.FAILED):
        outbox.mark(number, state, NOW, tenant="default", note="The server answered 503.")

    assert [(kept.attempts, kept.state, kept.note) for kept in outbox.kept()] == [
        (2, IntentState.FAILED, "The server answered 503.")
    ]


def test_only_open_intents_of_the_tenant_and_the_server_were_interrupted() -> None:
    """WB-03."""
    outbox = MemoryOutbox()
    number = outbox.intend(INTENT, NOW)
    outbox.intend(replace(INTENT, key="k2", tenant="other", identifier="b"), NOW)
    done = outbox.intend(replace(INTENT, key="k3", identifier="c"), NOW)
    outbox.mark(done, IntentState.FAILED, NOW, tenant="default")

    assert [kept.number for kept in outbox.interrupted("default", INTENT.server)] == [number]


def test_the_newest_confirmed_intent_says_which_version_is_the_machines() -> None:
    """WB-01: a person's decision is confirmed without a version, and hides the machine's earlier one."""
    outbox = MemoryOutbox()
    known = []
    for version in ("1", "2", None):
        number = outbox.intend(INTENT, NOW)
        outbox.mark(number, IntentState.CONFIRMED, NOW, tenant="default", reference="ResearchSubject/1", version=version)
        known.append(outbox.version("default", INTENT.server, "ResearchSubject/1"))

    assert known == ["1", "2", None]
    assert outbox.version("default", "https://other.example.invalid", "ResearchSubject/1") is None


def test_a_tenant_knows_and_moves_its_own_intents_alone() -> None:
    """SEC-13: two tenants write to the same server."""
    outbox = MemoryOutbox()
    number = outbox.intend(INTENT, NOW)
    others = outbox.intend(replace(INTENT, tenant="other"), NOW)

    with pytest.raises(LookupError):
        outbox.mark(number, IntentState.FAILED, NOW, tenant="other")
    outbox.mark(number, IntentState.CONFIRMED, NOW, tenant="default", reference="ResearchSubject/1", version="4")

    assert number != others
    assert outbox.version("default", INTENT.server, "ResearchSubject/1") == "4"
    assert outbox.version("other", INTENT.server, "ResearchSubject/1") is None
    assert [kept.number for kept in outbox.interrupted("other", INTENT.server)] == [others]


def test_the_kill_switch_is_a_tenants() -> None:
    """SEC-60."""
    outbox = MemoryOutbox()

    outbox.stop("a")

    assert (outbox.stopped("a"), outbox.stopped("b")) == (True, False)
    outbox.release("a")
    assert not outbox.stopped("a")
