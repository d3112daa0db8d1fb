"""Agents that draw without a model, and what is slow enough to be stopped; shared by the tests of integrations."""

import asyncio
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from unison_agent.adapters import Output
from unison_agent.agent import Unison
from unison_agent.errors import RunCancelledError
from unison_agent.media import MediaSet
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Planner
from unison_agent.progress import Progress, ProgressEvent
from unison_agent.router import AdapterTool, Router
from unison_agent.tasks import GrantedTask, TaskCall
from unison_agent.testing import EchoAdapter, ScriptedWriter

STEPS = 1000


class Slow(EchoAdapter):
    """Takes twenty seconds and more, in steps.

    Attributes:
        steps: The latest step.
        begun: Set with the first step.
        stopped: Set when a step was the last because the run was cancelled.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps = 0
        self.begun, self.stopped = threading.Event(), threading.Event()

    def run(
        self,
        call: TaskCall,
        granted: GrantedTask,
        media: MediaSet,
        conditioning: Any,
        progress: Progress,
    ) -> Output:
        try:
            for step in range(STEPS):
                self.steps = step
                progress(ProgressEvent("denoise", step, STEPS))
                self.begun.set()
                time.sleep(0.02)
        except RunCancelledError:
            self.stopped.set()
            raise
        return super().run(call, granted, media, conditioning, progress)


def echo_agent(adapter: EchoAdapter | None = None, **plan: object) -> Unison:
    """Return an agent with the tools of nano, all of which draw with `adapter`.

    Args:
        adapter: Draws flat pictures when left out.
        plan: What its planner writes; a picture of the request when left out.
    """
    tools = [AdapterTool(spec, adapter or EchoAdapter()) for spec in load_pack("nano").tools]
    writer = ScriptedWriter(plan or {"task": "text_to_image"})
    return Unison(Planner(writer), Router(tools, profile="echo"))


def assert_cancelling_stops(slow: Slow, work: Coroutine[Any, Any, object]) -> None:
    """Check that `work`, cancelled in the middle of a call that `slow` carries out, stops the call too."""

    async def cancelled() -> None:
        running = asyncio.create_task(work)
        await asyncio.to_thread(slow.begun.wait, 60)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())
    assert slow.stopped.wait(30)
