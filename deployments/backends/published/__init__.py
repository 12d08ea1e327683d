"""Published models: what they are, where their files lie on this machine, how they come there and how they are read."""
