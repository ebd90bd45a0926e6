"""How a count of patients is shown to whom: small ones are hidden, and cannot be worked out from others (SEC-40, SEC-41).

Source: the cell size policy of CMS: nothing below 11 is shown, nor what would give it away.
"""

from __future__ import annotations

from typing import Final

_SMALLEST_SHOWN: Final = 11
_TENS: Final = 10
HIDDEN: Final = "<11"


def shown_count(n: int, exact: bool) -> str:
    """A count as it is shown.

    Figures derived from several counts (a sum over sites, how many a criterion took away) are derived from what is shown, never
    from the true counts, and no rounded sum stands beside its parts: ten parts of "<11" under a sum of "<11" would all be 1.

    Args:
        n: Patients, 0 or more.
        exact: For people who may see the patients anyway; all others see tens.

    Raises:
        ValueError: A negative count.
    """
    if n < 0:
        raise ValueError("A count is not negative.")
    if exact or n == 0:
        return str(n)
    if n < _SMALLEST_SHOWN:
        return HIDDEN
    return str((n + _TENS // 2) // _TENS * _TENS)
