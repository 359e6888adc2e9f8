"""What reads problems of other engines: each form is an adapter that makes a problem folder of it.  Runs nothing of what it reads.

``problem=PATH`` and ``evolve.load_problem`` ask here (``_choose``).  An adapter of a package of your own has an entry point of the
group ``evolve.adapters``.
"""

from evolve.adapters._adapter import NOTES_FILE, Adapter, write_notes

__all__ = ["NOTES_FILE", "Adapter", "write_notes"]
