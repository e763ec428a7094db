"""The marked FHIR facade over the services' own records: no national API (ruling S17)."""
