"""What calls cost and when they may go out: prices, reservations, retries, settlements.  Speaks to no server itself."""
