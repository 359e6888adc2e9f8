"""How a sandbox is started: cold, spare, warm or without walls, and what every tier must offer.  Judges no end."""
