"""Anthropic's Messages API, through the official client.  Counts no money."""
