"""What commands print: progress, endings, text and JSON.  Opens and changes nothing.

What ``--json`` prints is made in ``_json_runs``, ``_json_problems`` and ``_json_external``; a verb whose answer is a line or two
says it itself.
"""
