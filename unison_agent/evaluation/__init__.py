"""Measure what the models do, on cases made from seeds; nothing that serves a request imports it."""
