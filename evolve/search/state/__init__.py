"""What a search knows: what records make of it and a checkpoint keeps, part by part.  Not here: whoever decides anything."""
