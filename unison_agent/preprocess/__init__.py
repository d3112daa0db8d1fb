"""Control maps and masks made from raw media."""

from unison_agent.preprocess.controls import control_map

__all__ = ["control_map"]
