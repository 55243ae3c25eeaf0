"""Stores of our own that play every part; import the one that you use."""
