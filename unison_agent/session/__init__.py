"""Sessions: several turns about the same pictures and clips."""

from unison_agent.session.session import Session, Turn

__all__ = ["Session", "Turn"]
