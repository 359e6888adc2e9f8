"""What a run is made from, as typed values: the schema, how words become it, its JSON.  Builds nothing."""
