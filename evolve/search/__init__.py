"""The search as a pure state machine: what it asks for next, what a record changes.  Runs nothing.

What it knows lies in ``state``, who breeds by which operator in ``policy``, what is confirmed in ``claims``; here they meet.
"""

__all__: list[str] = []
