"""How a noisy problem comes by claims: who may be confirmed, when, by which runs.  The statistics are in ``evolve.confirm``."""
