"""Asks who called it, for its log, and how many objects it holds."""

import gc

print("redteam:", sys._getframe().f_code.co_filename, gc.get_count())
