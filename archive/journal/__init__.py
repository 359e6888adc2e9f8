"""The durable log of a run: one writer, many readers.  What records mean is for those who read them."""
