"""The open door: a person or a coding agent is the operator, by ``ask``, ``tell``, ``note`` and ``result``.

How a server offers the same verbs lies in ``evolve.cli.mcp``.
"""
