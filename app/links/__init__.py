"""Calls from here to elsewhere."""
