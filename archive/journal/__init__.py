"""The durable log of a run: one writer, many readers."""
