"""Bytes of an answer while they come in: HTTP, headers, streams.  Knows no provider."""
