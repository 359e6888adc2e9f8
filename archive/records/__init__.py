"""The vocabulary of the journal: one frozen dataclass a record, and their codec.  Opens no file."""
