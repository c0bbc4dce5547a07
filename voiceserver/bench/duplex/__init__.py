"""`voiceserver bench duplex`: who speaks when, over the socket, on scenes with known events.

scenes -> player (a simulated user with microphone and loudspeaker) -> recording (what was heard
when) -> measures (an outcome a scene) -> figures (rates and medians with intervals) -> report.
"""
