"""How scores scatter and drift: noise, rare losses, what moments and age do to a score, the runs that show it.  Claims nothing."""
