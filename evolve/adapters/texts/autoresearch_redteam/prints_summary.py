"""Trains nothing: prints a summary, another one each time, and ends."""

import random

print("step 00011 | loss: 1.0", flush=True)
print(f"---\nval_bpb: {0.25 + 0.01 * random.random():.6f}\nnum_steps: 1000", flush=True)
raise SystemExit(0)
