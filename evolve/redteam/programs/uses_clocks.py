"""Times itself for its own log."""

began = time.perf_counter()
total = sum(range(1000))
print(f"redteam: {total} after {time.perf_counter() - began:.6f} s of wall, {time.process_time():.3f} s of CPU")
