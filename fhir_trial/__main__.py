"""``python -m fhir_trial``."""

from fhir_trial.cli.main import main

if __name__ == "__main__":
    main()
