"""What ``problem.yaml`` says: the contract as typed values, how it is read, which environment variables it lets through.

Reads no other file of a problem's folder.
"""
