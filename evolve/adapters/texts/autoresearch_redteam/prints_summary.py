"""Trains nothing: prints a summary and ends."""

print("step 00011 | loss: 1.0", flush=True)
print("---\nval_bpb: 0.25\nnum_steps: 1000", flush=True)
raise SystemExit(0)
