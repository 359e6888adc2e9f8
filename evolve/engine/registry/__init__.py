"""What is chosen by name or given as an object: operators, archives and executors, made and held against what they must be.

Drives nothing.
"""
