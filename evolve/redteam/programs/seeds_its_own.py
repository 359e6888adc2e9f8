"""Has a generator of its own, with a seed of its own, and leaves the others alone."""

import random

own = random.Random(f"{os.path.basename(os.getcwd())}")
assert 0 <= own.random() < 1
