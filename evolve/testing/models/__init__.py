"""Stand-ins for servers of models: what they speak, what they can be told to answer, and a thread of models that asks at once."""
