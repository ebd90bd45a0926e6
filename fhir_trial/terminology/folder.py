"""Where the mappings lie: beside the checkout, or inside an installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent


def mappings_folder() -> Path:
    """The folder `mappings/` of a checkout, else `fhir_trial/_mappings/` of a wheel.

    Raises:
        FileNotFoundError: The package was built without its mappings.
    """
    for folder in (_PACKAGE / "_mappings", _PACKAGE.parent / "mappings"):
        if (folder / "compiled").is_dir():
            return folder
    raise FileNotFoundError("No mappings found, neither beside the checkout nor inside the installed package")
