"""A run on disk: its folder, inbox, checkpoint and recorded problem, and how it is read again.  Drives nothing."""
