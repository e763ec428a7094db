"""What every test run has: the count of conformance cases, and databases for the tests marked ``postgres``."""

pytest_plugins = ["tools.conformance", "tools.pytest_postgres"]
