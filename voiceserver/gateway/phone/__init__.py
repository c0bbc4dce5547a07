"""Telephones: media streams of call providers and of Asterisk, each a front of the same session."""
