"""Whether a problem is sound and a program better, outside of any run.  Keeps nothing."""
