"""What people and models are shown of a run, as frozen values.  Decides nothing and prints nothing."""
