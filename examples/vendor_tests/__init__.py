"""How a vendor tests its system against the sandbox: ``pytest -n 2 examples/vendor_tests``."""
