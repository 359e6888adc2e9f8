"""Resources and money: what was used, what may be, what is reserved.  Pure; asks no model and no clock."""
