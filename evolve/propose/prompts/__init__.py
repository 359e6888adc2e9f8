"""What a model, a person or an agent is told: parts, templates, the rules in sentences.  Reads no search."""
