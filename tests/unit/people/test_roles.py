"""The roles by their names: SEC-12."""

import pytest

from fhir_trial.errors import UsageError
from fhir_trial.people.roles import Role, role_of


def test_there_are_the_six_roles() -> None:
    # SEC-12
    assert {str(role) for role in Role} == {"screener", "coordinator", "investigator", "data-manager", "admin", "auditor"}


def test_a_role_is_found_by_its_name_alone() -> None:
    assert role_of("data-manager") is Role.DATA_MANAGER
    with pytest.raises(UsageError, match=r"Unknown role 'Admin'\. Expected one of: screener, "):
        role_of("Admin")
