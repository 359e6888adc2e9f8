"""The search as a pure state machine: what it knows, what it asks for next, what a record changes.  Runs nothing."""

__all__: list[str] = []
