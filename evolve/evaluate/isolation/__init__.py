"""Walls: bubblewrap, system calls, control groups, what is shown, limits.  Starts no candidate."""
