"""When the user's turns begin and end: detectors that are told of windows and of answers."""
