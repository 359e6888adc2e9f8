"""The grader: the trusted process that loads a problem's ``evaluate.py`` and measures candidates, and what it says to its executor.

No walls: candidates run in ``sandbox``.
"""
