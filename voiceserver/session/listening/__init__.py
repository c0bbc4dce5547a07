"""The listening half of a session: the user's audio, its turns, and what was read of them."""
