"""The lab journal of a run: what was tried, what moved, what the noise hides, what failed, what is next; and its table of results.

Frozen values, read off the state, and their text.  Who writes the files lies in ``evolve.engine``.
"""
