"""Code of other processes: the spawner, what runs inside the sandbox before a candidate, and who speaks to them.  No walls."""
