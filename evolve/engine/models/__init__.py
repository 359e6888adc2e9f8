"""Models asked while a run is driven: which there are, the thread in which they are asked, and who hands it work.

Providers, prices and retries lie in ``evolve.models``, which knows no run.
"""
