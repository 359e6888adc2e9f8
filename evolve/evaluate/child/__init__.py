"""Code of other processes: the spawner, and what runs inside the sandbox before a candidate."""
