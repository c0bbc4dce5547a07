"""A Mini-Omni on a device, without a server: a step, a frame of speech, kernels, whole sessions.

A `subject` (a checkpoint, or random weights) is checked against a twin, then timed; its `card` says
how fast the device could be at best.
"""
