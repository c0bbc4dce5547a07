"""The synchronous loop in a process of its own, spoken to in the dataclasses of `messages`."""
