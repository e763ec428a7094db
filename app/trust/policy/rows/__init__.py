"""The rows of the decision table, by the side that is judged."""
