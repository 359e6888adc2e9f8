"""Ends with status 0 before anything was done."""

os._exit(0)
