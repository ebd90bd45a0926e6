"""The version of the software, as every result names it."""

__version__ = "0.1.0"
SOFTWARE = f"fhir-trial {__version__}"
