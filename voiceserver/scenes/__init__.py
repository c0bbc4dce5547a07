"""Spoken scenes with exact event times, made from a seed: for `bench duplex` and for training.

README.md beside this file tells what is in a scene and how to play it to another server.
"""
