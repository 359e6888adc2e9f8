"""Edits as values: where they belong in a file, how they are applied, whether the child holds together.  Reads no answers."""
