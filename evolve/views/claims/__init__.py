"""What a run claims and by which evidence, read from its records again.

Whether a claim is made is decided in ``evolve.search``.
"""
