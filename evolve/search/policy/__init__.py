"""What to try next: a policy is a selector of parents, an allocator of operators and a schedule.  Not here: what to measure."""
