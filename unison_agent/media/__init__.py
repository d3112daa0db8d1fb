"""Images, videos and sets of them, with limits that hold before anything is decoded.

It does not know what a task is, nor how media are made.
"""

from unison_agent.media.image import Image
from unison_agent.media.media_set import Kind, MediaSet, MediaSource, Medium, open_medium
from unison_agent.media.sources import DEFAULT_LIMITS, Limits
from unison_agent.media.video import Video

__all__ = [
    "DEFAULT_LIMITS",
    "Image",
    "Kind",
    "Limits",
    "MediaSet",
    "MediaSource",
    "Medium",
    "Video",
    "open_medium",
]
