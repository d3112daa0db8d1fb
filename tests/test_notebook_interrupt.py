"""The stop button of a notebook: the signal it sends ends a run within a step, and the next cell runs as before."""

import io
import signal
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from unison_agent.adapters import Output
from unison_agent.adapters.video import WanVaceAdapter
from unison_agent.agent import Unison
from unison_agent.media import MediaSet
from unison_agent.packs import load_pack
from unison_agent.pipelines import LoadedPipeline
from unison_agent.planning.planner import Planner
from unison_agent.progress import Progress, ProgressEvent
from unison_agent.result import Result
from unison_agent.router import AdapterTool, Router
from unison_agent.tasks import GrantedTask, TaskCall
from unison_agent.testing import ScriptedWriter
from unison_agent.testing_wan import tiny_conditioning, tiny_pipeline

if TYPE_CHECKING:
    from unison_agent.connector import Conditioning

DRAW = {"task": "text_to_image"}


@dataclass
class Stopped:
    """Draws with a real pipeline, and is sent the notebook's signal in the middle of a step."""

    pipeline: LoadedPipeline
    at: int | None = None
    steps: list[int] = field(default_factory=list[int])

    def run(
        self,
        call: TaskCall,
        granted: GrantedTask,
        media: MediaSet,
        conditioning: "Conditioning | None",
        progress: Progress,
    ) -> Output:
        del conditioning

        def listen(event: ProgressEvent) -> None:
            progress(event)
            if event.stage == "denoise":
                self.steps.append(event.done)
                if event.done == self.at:
                    signal.raise_signal(signal.SIGINT)

        adapter = WanVaceAdapter(self.pipeline)
        return adapter.run(call, granted, media, tiny_conditioning(), listen)


@pytest.fixture
def sigint() -> Iterator[None]:
    """As a kernel has it; whoever started us may ignore the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("sigint")
def test_the_stop_button_ends_a_run_within_a_step_and_the_next_cell_runs() -> None:
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    adapter = Stopped(tiny_pipeline())
    router = Router([AdapterTool(spec, adapter) for spec in load_pack("nano").tools])
    shell.push({"mine": Unison(Planner(ScriptedWriter(*[DRAW] * 3)), router)})
    pictures: list[bytes] = []
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        shell.run_cell("%load_ext unison_agent")
        for at in (None, 2, None):
            adapter.at = at
            adapter.steps.clear()
            done = shell.run_cell("%unison --agent mine --seed 3 Draw a star")
            if at is None:
                assert isinstance(done.result, Result)
                pictures.append(np.asarray(done.result.image.rgb()).tobytes())
            else:
                assert isinstance(done.error_in_exec, KeyboardInterrupt)
                assert adapter.steps == [0, 1, 2]
                assert not adapter.pipeline.lock.locked()
    assert pictures[0] == pictures[1]
