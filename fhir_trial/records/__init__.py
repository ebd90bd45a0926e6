"""Raw FHIR JSON to a patient's record: dates with their precision, references followed, oddities as Issues."""
