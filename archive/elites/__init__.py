"""Archives of elites: cells, grids, posteriors.  Know no journal."""
