"""What drives a run: sessions, the loop, requests, models and proposers.  Holds no rule of the search."""
