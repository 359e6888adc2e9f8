"""What ``search_quality.py`` is made of: cheap tasks, one mutator for everybody, a world with a clock of its own, arms, tables."""
