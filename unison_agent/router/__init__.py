"""From a plan to a result: which tool runs each step, with what, and how long it took."""

from unison_agent.router.bindings import Named
from unison_agent.router.clip_tool import ClipTool
from unison_agent.router.clock import StageClock
from unison_agent.router.generation_tool import GenerationTool
from unison_agent.router.image_tool import ImageTool
from unison_agent.router.lazy import Lazy
from unison_agent.router.router import Router
from unison_agent.router.tools import AdapterTool, AnswerTool, Tool, Understanding

__all__ = [
    "AdapterTool",
    "AnswerTool",
    "ClipTool",
    "GenerationTool",
    "ImageTool",
    "Lazy",
    "Named",
    "Router",
    "StageClock",
    "Tool",
    "Understanding",
]
