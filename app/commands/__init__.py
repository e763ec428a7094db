"""The command groups of ``sandkasse``, one module each; ``app.cli`` puts them together."""
