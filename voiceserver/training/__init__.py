"""Recipes that make our weights, one command each."""
