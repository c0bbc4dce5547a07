"""Who writes the replies: what every thinker offers, and the one behind a chat endpoint."""
