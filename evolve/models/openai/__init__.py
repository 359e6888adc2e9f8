"""Servers that speak OpenAI's protocol: chat completions and embeddings.  Counts no money."""
