"""Mechanical operators: constants, syntax trees, crossover.  They ask no model."""
