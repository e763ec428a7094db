"""The code systems that kjernejournal publishes to EPJ systems (ruling S26)."""
