"""What a node of each kind does: reads what it is made from, calls a model, and leaves an artifact."""
