"""One agent that understands, plans and renders images and video.

The public names are looked up on first use, so that importing the package loads no model library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from unison_agent.agent import Planned, Unison
    from unison_agent.artifacts import ArtifactInfo, ArtifactStore
    from unison_agent.custom.tool import (
        CustomTool,
        ImageHandle,
        MediaHandle,
        Stated,
        VideoHandle,
        custom_tool,
    )
    from unison_agent.errors import (
        ConnectorMismatchError,
        DownloadError,
        GenerationError,
        MachineError,
        MediaError,
        MediaLimitError,
        MissingDependencyError,
        MissingInputError,
        NegotiationError,
        OutputError,
        PackError,
        PlanningError,
        RequestError,
        RunCancelledError,
        ToolCallError,
        ToolError,
        UnisonError,
        UnknownProfileError,
        UnsupportedMediaError,
        WeightsError,
    )
    from unison_agent.functions import CallError, CallResult, MediaPolicy
    from unison_agent.media import Image, MediaSet, Video
    from unison_agent.packs import Pack, ToolSpec, load_pack
    from unison_agent.progress import Progress, ProgressEvent
    from unison_agent.replay import Record
    from unison_agent.result import Artifact, Result, Signer, StepResult, Timings
    from unison_agent.session import Session
    from unison_agent.streaming import AnswerStream
    from unison_agent.tasks import TASKS, Adjustment, CustomCall, Granted, Plan, Request, TaskCall

    __version__: str

__all__ = [
    "TASKS",
    "Adjustment",
    "AnswerStream",
    "Artifact",
    "ArtifactInfo",
    "ArtifactStore",
    "CallError",
    "CallResult",
    "ConnectorMismatchError",
    "CustomCall",
    "CustomTool",
    "DownloadError",
    "GenerationError",
    "Granted",
    "Image",
    "ImageHandle",
    "MachineError",
    "MediaError",
    "MediaHandle",
    "MediaLimitError",
    "MediaPolicy",
    "MediaSet",
    "MissingDependencyError",
    "MissingInputError",
    "NegotiationError",
    "OutputError",
    "Pack",
    "PackError",
    "Plan",
    "Planned",
    "PlanningError",
    "Progress",
    "ProgressEvent",
    "Record",
    "Request",
    "RequestError",
    "Result",
    "RunCancelledError",
    "Session",
    "Signer",
    "Stated",
    "StepResult",
    "TaskCall",
    "Timings",
    "ToolCallError",
    "ToolError",
    "ToolSpec",
    "Unison",
    "UnisonError",
    "UnknownProfileError",
    "UnsupportedMediaError",
    "Video",
    "VideoHandle",
    "WeightsError",
    "__version__",
    "custom_tool",
    "load_pack",
]

_HOME = {
    "Planned": "agent",
    "Unison": "agent",
    **dict.fromkeys(
        ("CustomTool", "ImageHandle", "MediaHandle", "Stated", "VideoHandle", "custom_tool"),
        "custom.tool",
    ),
    "ArtifactInfo": "artifacts",
    "ArtifactStore": "artifacts",
    "CallError": "functions",
    "CallResult": "functions",
    "MediaPolicy": "functions",
    "Session": "session",
    "AnswerStream": "streaming",
    "Signer": "result",
    "Image": "media",
    "MediaSet": "media",
    "Video": "media",
    "Pack": "packs",
    "ToolSpec": "packs",
    "load_pack": "packs",
    "Progress": "progress",
    "ProgressEvent": "progress",
    "Record": "replay",
    "Artifact": "result",
    "Result": "result",
    "StepResult": "result",
    "Timings": "result",
    "TASKS": "tasks",
    "Adjustment": "tasks",
    "CustomCall": "tasks",
    "Granted": "tasks",
    "Plan": "tasks",
    "Request": "tasks",
    "TaskCall": "tasks",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = import_module("importlib.metadata").version("unison-agent")
    elif name in _HOME or (name in __all__ and name.endswith("Error")):
        value = getattr(import_module(f"unison_agent.{_HOME.get(name, 'errors')}"), name)
    else:
        msg = f"module 'unison_agent' has no attribute {name!r}"
        raise AttributeError(msg)
    globals()[name] = value
    return value


def load_ipython_extension(ipython: "InteractiveShell") -> None:
    """Add the magics of `unison_agent.integrations.ipython`: what ``%load_ext unison_agent`` calls."""
    import_module("unison_agent.integrations.ipython").register(ipython)


def __dir__() -> list[str]:
    return __all__
