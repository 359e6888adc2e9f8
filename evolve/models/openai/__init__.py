"""Servers that speak OpenAI's protocol: chat completions and embeddings."""
