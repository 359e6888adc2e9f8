"""What people, agents and other processes ask of a run, and how they are answered: sent, carried out, waited for.

The inbox itself lies in ``evolve.runs``, what an answer shows in ``evolve.views``.
"""
