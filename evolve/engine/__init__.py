"""What drives a run: sessions, the loop, proposers.  Holds no rule of the search.

Rooms inside: what is chosen by name, models, requests to a run, and the run as Python has it.
"""

__all__: list[str] = []
