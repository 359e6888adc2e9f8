"""What may hold a candidate back before it runs or before it counts.  None of it ever raises a score."""
