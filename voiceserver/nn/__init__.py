"""Network definitions. State is passed explicitly; its leading dimension is the slot."""
