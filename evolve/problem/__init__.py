"""What a problem is: its folder and how it is read, found and copied.  Measures nothing.

What its ``problem.yaml`` says lies in ``contract``, what ``evolve new`` writes in ``scaffold``.
"""

__all__: list[str] = []
