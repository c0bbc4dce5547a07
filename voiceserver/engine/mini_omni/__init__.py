"""The mini_omni family: published Mini-Omni checkpoints for many callers at once."""
