"""What every test run has: the count of conformance cases, and databases for the tests marked ``postgres``."""

from hypothesis import settings

pytest_plugins = ["tools.conformance", "tools.pytest_postgres"]

# Machines that run tests are slow at times: how long an example takes says nothing about the code.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
