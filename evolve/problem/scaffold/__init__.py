"""What ``evolve new`` writes: small complete problems to start from.  Reads no problem."""
