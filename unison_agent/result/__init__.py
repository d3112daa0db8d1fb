"""What came out of a run, and how it is saved, loaded and shown; it does not know how to run."""

from unison_agent.result.types import Artifact, Result, StepResult, Timings

__all__ = ["Artifact", "Result", "StepResult", "Timings"]
