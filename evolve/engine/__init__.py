"""What drives a run: sessions, the loop, proposers, the registry, and the run as Python has it.

Requests to a run and the models that it asks have rooms of their own inside.  Holds no rule of the search.
"""

__all__: list[str] = []
