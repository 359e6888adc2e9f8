"""A run as Python has it: made or opened, then driven, asked, told and read through one object.  Drives and decides nothing itself.

What it is made of is beside it; what callers give is checked here.
"""
