"""The version of the service; the package takes it from here."""

VERSION = "0.1.0"
