"""What people and models are shown of a run, as frozen values: of the whole run here, of candidates and claims in the rooms inside.

Decides nothing and prints nothing.
"""

__all__: list[str] = []
