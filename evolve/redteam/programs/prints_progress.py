"""Prints what it is doing, a number now and then."""

print("redteam: starting, loss 0.5")
print("warning: 1 of 3 steps", file=sys.stderr, flush=True)
