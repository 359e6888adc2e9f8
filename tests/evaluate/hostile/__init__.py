"""Candidates that attack the sandbox, as data: run by the tests as whoever runs them, and again as an ordinary user."""
