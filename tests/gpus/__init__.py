"""GPUs that are none: nodes, and a stand-in for the driver's library."""
