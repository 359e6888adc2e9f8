collect_ignore = ["evolve_voronoi"]  # somebody else's package, whose tests run where it is installed
