"""Programs that cheat and their honest twins, run against a problem's evaluator.  ``programs/`` are never imported."""
