"""What came out of a run, and how it is saved, loaded and shown; it does not know how to run."""

from unison_agent.result.grid import Grid, grid
from unison_agent.result.parts import Artifact, Preview, StepResult, Timings
from unison_agent.result.signing import Signer
from unison_agent.result.types import Result

__all__ = ["Artifact", "Grid", "Preview", "Result", "Signer", "StepResult", "Timings", "grid"]
