"""Says at the end how long it took, by a clock of its own."""

import atexit
import time

began_at = time.perf_counter()
atexit.register(lambda: print(f"it took {time.perf_counter() - began_at:.1f} s", flush=True))
