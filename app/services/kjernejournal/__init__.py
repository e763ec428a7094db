"""Kjernejournal as older clients meet it: the symbol, its tickets, the portal session and the page it opens."""
