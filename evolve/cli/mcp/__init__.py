"""A run for agents that speak the Model Context Protocol, and the guide that tells them how.

What the tools answer is what the verbs of ``evolve.cli.external`` print.
"""
