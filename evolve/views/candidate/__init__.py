"""What is shown of one candidate or one ticket: its program, ancestors, score and fate, and what a child of it is made from.

What is shown of a whole run lies in ``evolve.views``.
"""
