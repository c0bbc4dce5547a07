"""WebRTC: sound over tracks, the Realtime protocol's events over a data channel."""
