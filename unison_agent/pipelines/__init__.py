"""Pipelines of diffusers: loaded once, checked, and lent to one run at a time."""

from unison_agent.pipelines.budget import LoadedModels, MemoryBudget
from unison_agent.pipelines.clips import ClipPipelineStore, LoadedClipPipeline
from unison_agent.pipelines.image import LoadedImagePipeline
from unison_agent.pipelines.image_store import ImagePipelineStore
from unison_agent.pipelines.store import NANO_FOLDER, PipelineStore, source_name, verified
from unison_agent.pipelines.vace import LoadedPipeline, VaceFrames, VacePipe, adopt

__all__ = [
    "NANO_FOLDER",
    "ClipPipelineStore",
    "ImagePipelineStore",
    "LoadedClipPipeline",
    "LoadedImagePipeline",
    "LoadedModels",
    "LoadedPipeline",
    "MemoryBudget",
    "PipelineStore",
    "VaceFrames",
    "VacePipe",
    "adopt",
    "source_name",
    "verified",
]
