"""From a model's answer to edits: blocks, names, patches, commands, slips.  Applies nothing."""
