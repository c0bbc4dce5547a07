"""`voiceserver bench duplex`: who speaks when, over the socket, on scenes with known events.

scenes -> player (a simulated user with microphone and loudspeaker) -> recording (what was heard
when) -> measures (an outcome a scene) -> book (all outcomes, kept in a file) -> figures (rates and
medians with intervals) -> report. plan says which scenes are due.
"""
