"""Masks, and later control maps, made from raw media."""
