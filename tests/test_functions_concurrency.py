import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import pytest

from unison_agent.adapters import Output
from unison_agent.agent import Unison
from unison_agent.functions import CallResult
from unison_agent.functions.once import Once
from unison_agent.media import MediaSet
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Planner
from unison_agent.progress import Progress
from unison_agent.router import AdapterTool, Router
from unison_agent.tasks import GrantedTask, TaskCall
from unison_agent.testing import EchoAdapter, ScriptedWriter

if TYPE_CHECKING:
    from unison_agent.connector import Conditioning

T = TypeVar("T")
MANY = 200


class SlowEcho(EchoAdapter):
    """Takes a moment, so that calls overlap; it notes how many did."""

    def __init__(self) -> None:
        super().__init__()
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def run(
        self,
        call: TaskCall,
        granted: GrantedTask,
        media: MediaSet,
        conditioning: "Conditioning | None",
        progress: Progress,
    ) -> Output:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.002)
        try:
            return super().run(call, granted, media, conditioning, progress)
        finally:
            with self._lock:
                self._now -= 1


def make() -> tuple[Unison, SlowEcho]:
    adapter = SlowEcho()
    tools = [AdapterTool(spec, adapter) for spec in load_pack("nano").tools]
    planner = Planner(ScriptedWriter({"task": "text_to_image"}))
    return Unison(planner, Router(tools, profile="echo")), adapter


def in_threads(work: Callable[[int], T]) -> list[T]:
    """Do something many times at once, as many threads as times."""
    start = threading.Barrier(MANY)

    def one(number: int) -> T:
        start.wait(30)
        return work(number)

    with ThreadPoolExecutor(MANY) as pool:
        return list(pool.map(one, range(MANY), timeout=120))


def arguments(number: int) -> tuple[str, dict[str, object]]:
    """Return one of several sorts of calls, each with arguments of its own."""
    match number % 4:
        case 0:
            return "text_to_image", {"prompt": f"star {number}", "seed": number}
        case 1:
            return "text_to_video", {"prompt": f"star {number}", "num_frames": 5}
        case 2:
            return "text_understanding", {"question": f"what is {number}?"}
        case _:
            return "unison", {"request": f"Draw star {number}"}


def check(results: list[CallResult]) -> None:
    assert all(result.ok for result in results), [result.error for result in results]
    expected, _ = make()
    for number, result in enumerate(results):
        name, given = arguments(number)
        assert result.to_dict() == expected.call(name, given).to_dict()


def test_two_hundred_calls_at_once_from_threads() -> None:
    unison, adapter = make()
    check(in_threads(lambda number: unison.call(*arguments(number))))
    assert len(adapter.calls) == MANY
    assert adapter.most > 1


def test_two_hundred_calls_at_once_from_asyncio() -> None:
    unison, adapter = make()

    async def all_of_them() -> list[CallResult]:
        calls = [unison.acall(*arguments(number)) for number in range(MANY)]
        return await asyncio.wait_for(asyncio.gather(*calls), 120)

    check(asyncio.run(all_of_them()))
    assert len(adapter.calls) == MANY


def test_calls_feed_each_other_while_the_store_overflows() -> None:
    unison, _ = make()

    def work(number: int) -> CallResult:
        session = unison.session()
        (made,) = session.call("text_to_image", {"prompt": f"star {number}"}).artifacts
        arguments = {"prompt": f"move {number}", "first_frame": made.handle, "num_frames": 5}
        return session.call("image_to_video", arguments)

    errors = [result.error for result in in_threads(work) if result.error is not None]
    # A thread that waits long can find its picture gone by then; it is told so, and nothing else goes wrong.
    assert all("is kept" in error.message for error in errors)
    assert len(errors) < MANY / 2
    assert len(unison.artifacts) == 256


def test_one_session_is_safe_to_share() -> None:
    unison, _ = make()
    session = unison.session()
    results = in_threads(lambda number: session.run(f"Draw star {number}"))
    assert {result.plan.request.text for result in results} == {
        f"Draw star {number}" for number in range(MANY)
    }
    assert len(session.history) == 64


def test_the_same_call_at_once_is_carried_out_once() -> None:
    unison, adapter = make()
    same = {"prompt": "a star", "seed": 3}
    results = in_threads(lambda _: unison.call("text_to_image", same, call_id="c1"))
    assert len(adapter.calls) == 1
    assert len({result.to_json() for result in results}) == 1
    assert all(result.media for result in results)


def test_a_failure_is_raised_to_all_who_wait_and_tried_again() -> None:
    once: Once[int] = Once(most=2)
    tries: list[int] = []

    def fail() -> int:
        tries.append(1)
        time.sleep(0.2)
        raise ValueError("no")

    def ask(_: int) -> str:
        try:
            return str(once("key", fail))
        except ValueError as error:
            return str(error)

    assert set(in_threads(ask)) == {"no"}
    assert len(tries) < MANY
    assert once("key", lambda: 1) == 1
    assert once("key", lambda: 2) == 1
    for key in ("a", "b"):
        once(key, lambda: 0)
    assert once("key", lambda: 2) == 2


def test_stopping_one_call_does_not_stop_the_next() -> None:
    unison, _ = make()

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unison.call("text_to_image", {"prompt": "x"}, call_id="c", progress=stop)
    assert unison.call("text_to_image", {"prompt": "x"}, call_id="c").ok
