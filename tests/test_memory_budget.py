"""What is loaded stays within a budget, the one not used for longest goes first, and nothing goes that runs."""

import gc
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from unison_agent import Unison
from unison_agent.errors import MachineError
from unison_agent.media import MediaSet
from unison_agent.packs import load_pack
from unison_agent.pipelines import LoadedModels, MemoryBudget, PipelineStore
from unison_agent.pipelines.budget import ENVIRONMENT, Admit
from unison_agent.progress import ProgressEvent, silent
from unison_agent.router import GenerationTool, Router
from unison_agent.specs import PipelineSpec
from unison_agent.tasks import TASK_CALL, Plan, Request
from unison_agent.testing import ScriptedUnderstanding
from unison_agent.testing_wan import save_tiny_weights, tiny_wan_vace

GB = 10**9


class Weight:
    """Stands for a pipeline."""


def of(size: int) -> Callable[[Admit], Weight]:
    def make(admit: Admit) -> Weight:
        admit(size * GB)
        return Weight()

    return make


def names(budget: MemoryBudget) -> list[str]:
    return [one.name for one in budget.loaded]


def use(
    budget: MemoryBudget, name: str, size: int, told: list[ProgressEvent] | None = None
) -> Weight:
    progress = silent if told is None else told.append
    with budget.lend(name, name, of(size), progress) as weight:
        return weight


def test_without_a_limit_all_stay() -> None:
    budget = MemoryBudget()
    first = use(budget, "a", 100)
    use(budget, "b", 100)
    assert use(budget, "a", 100) is first
    assert budget.loaded == (LoadedModels("b", 100, False), LoadedModels("a", 100, False))
    assert str(budget.loaded[0]) == "b: 100 GB"


def test_the_one_not_used_for_longest_goes_first_and_comes_back() -> None:
    budget, told = MemoryBudget(10), list[ProgressEvent]()
    first = use(budget, "a", 4)
    use(budget, "b", 4)
    assert use(budget, "a", 4) is first
    use(budget, "c", 4, told)
    assert names(budget) == ["a", "c"]
    assert [(one.stage, one.note) for one in told] == [("release", "b, 4 GB")]
    gone = weakref.ref(first)
    del first
    use(budget, "b", 8, told)
    gc.collect()
    assert gone() is None
    assert names(budget) == ["b"]
    assert [one.note for one in told] == ["b, 4 GB", "a, 4 GB", "c, 4 GB"]


def test_what_was_weighed_before_makes_room_before_it_is_read() -> None:
    budget = MemoryBudget(10)
    use(budget, "a", 6)
    use(budget, "b", 6)
    seen: list[list[str]] = []

    def make(admit: Admit) -> Weight:
        seen.append(names(budget))
        return of(6)(admit)

    with budget.lend("a", "a", make):
        pass
    assert seen == [[]]


def test_more_than_the_budget_is_refused_and_leaves_no_trace() -> None:
    budget = MemoryBudget(10)
    use(budget, "a", 4)
    with pytest.raises(MachineError, match="b takes 12 GB, the budget is 10 GB") as caught:
        use(budget, "b", 12)
    assert ENVIRONMENT in str(caught.value)
    assert names(budget) == []
    use(budget, "a", 4)
    assert names(budget) == ["a"]


def test_what_runs_is_never_released_and_the_other_waits() -> None:
    budget, done, got = MemoryBudget(10), threading.Event(), list[Weight]()

    def second() -> None:
        got.append(use(budget, "b", 6))
        done.set()

    with budget.lend("a", "a", of(6)) as held:
        thread = threading.Thread(target=second)
        thread.start()
        assert not done.wait(0.3)
        assert names(budget) == ["a"]
        assert budget.loaded[0].in_use
        assert str(budget.loaded[0]).endswith("in use")
        del held
    thread.join(timeout=10)
    assert done.is_set()
    assert names(budget) == ["b"]


def test_one_thread_does_not_wait_for_itself() -> None:
    budget = MemoryBudget(10)
    with (
        budget.lend("a", "a", of(6)),
        pytest.raises(MachineError, match="with a in use it is more than the budget of 10 GB"),
    ):
        use(budget, "b", 6)
    assert names(budget) == ["a"]


def test_two_that_grow_do_not_wait_for_each_other() -> None:
    budget, barrier = MemoryBudget(10), threading.Barrier(2)
    failed: list[MachineError] = []

    def grow(name: str) -> None:
        with budget.lend(name, name, of(4)):
            barrier.wait(timeout=10)
            try:
                budget.grow(name, 8 * GB)
            except MachineError as error:
                failed.append(error)

    threads = [threading.Thread(target=grow, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(failed) == 1
    assert sum(one.gigabytes for one in budget.loaded) <= 10


def test_many_threads_share_and_stay_within_the_budget() -> None:
    budget, most, made = MemoryBudget(10), list[float](), list[str]()
    lock = threading.Lock()

    def run(index: int) -> None:
        name = "abcd"[index % 4]

        def make(admit: Admit) -> Weight:
            with lock:
                made.append(name)
            return of(4)(admit)

        for _ in range(5):
            with budget.lend(name, name, make):
                most.append(sum(one.gigabytes for one in budget.loaded))

    threads = [threading.Thread(target=run, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(most) == 40
    assert max(most) <= 10
    assert set(made) == set("abcd")


def test_a_load_that_fails_is_tried_again() -> None:
    budget = MemoryBudget(10)

    def fail(admit: Admit) -> Weight:
        admit(8 * GB)
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"), budget.lend("a", "a", fail):
        pass
    assert budget.loaded == ()
    use(budget, "b", 8)
    use(budget, "a", 2)
    assert names(budget) == ["b", "a"]


def test_what_is_forgotten_while_it_runs_goes_when_it_is_done() -> None:
    budget = MemoryBudget()
    with budget.lend("a", "a", of(1)):
        budget.forget()
        assert names(budget) == ["a"]
    assert names(budget) == []


def test_who_sets_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    def limit(*args: float | None) -> float:
        with pytest.raises(MachineError, match="the budget is") as caught:
            use(MemoryBudget.of(*args), "a", 100)
        return float(str(caught.value).split("budget is ")[1].split(" GB")[0])

    monkeypatch.delenv(ENVIRONMENT, raising=False)
    use(MemoryBudget.of(None), "a", 10_000)
    assert limit(None, 8) == 8
    monkeypatch.setenv(ENVIRONMENT, "6")
    assert limit(None, 8) == 6
    assert limit(4, 8) == 4
    monkeypatch.setenv(ENVIRONMENT, "much")
    with pytest.raises(MachineError, match="'much', expected a number of GB"):
        MemoryBudget.of(None)
    with pytest.raises(MachineError, match="above 0 GB, got 0"):
        MemoryBudget.of(0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[PipelineSpec, ...]:
    root = tmp_path_factory.mktemp("budget")
    specs: list[PipelineSpec] = []
    for seed, name in enumerate(("one", "two")):
        cast("Any", tiny_wan_vace(seed=seed)).save_pretrained(root / name)
        specs.append(
            PipelineSpec(
                source="local", path=str(root / name), text_encoder=False, vae_spatial=4,
                vae_temporal=1,
            )
        )  # fmt: skip
    return tuple(specs)


def test_two_pipelines_and_a_budget_for_one(folders: tuple[PipelineSpec, ...]) -> None:
    one, two = folders
    every = MemoryBudget()
    PipelineStore(device="cpu", budget=every).get(one)
    size = every.loaded[0].gigabytes
    files = sum(path.stat().st_size for path in Path(one.path or "").rglob("*.safetensors"))
    assert (
        files * 0.95 < size * GB < files * 1.5
    )  # what the files hold, and tables made while loading
    budget, told = MemoryBudget(1.5 * size), list[ProgressEvent]()
    store = PipelineStore(device="cpu", budget=budget)
    first = weakref.ref(cast("object", store.get(one).pipe))
    store.get(two, told.append)
    gc.collect()
    assert first() is None
    assert names(budget) == [two.path]
    assert [event.stage for event in told] == ["load", "release", "load"]
    assert store.get(one).name == one.path
    assert names(budget) == [one.path]


def test_one_pipeline_serves_its_tasks_and_is_told_of(tmp_path: Path) -> None:
    save_tiny_weights(tmp_path)
    budget = MemoryBudget()
    understanding = ScriptedUnderstanding()
    spec = load_pack("nano").tools[1]
    tool = GenerationTool(
        spec,
        pipelines=PipelineStore(tmp_path, device="cpu", budget=budget),
        understanding=lambda _: understanding,
        weights_folder=tmp_path,
    )
    used: list[bool] = []
    unison = Unison(understanding, Router([tool]), memory=budget)  # pyright: ignore[reportArgumentType]
    assert unison.loaded == ()
    for task in ("text_to_image", "text_to_video"):
        call = TASK_CALL.validate_python({"task": task, "prompt": "a red star", "steps": 1})

        def watch(event: ProgressEvent) -> None:
            used.extend(one.in_use for one in unison.loaded if event.stage == "denoise")

        unison.run(Plan(request=Request(text="x"), steps=(call,)), MediaSet(), progress=watch)
    assert used
    assert all(used)
    (only,) = unison.loaded
    assert only.name == "nano/pipeline"
    assert 0 < only.gigabytes < 0.01
    assert not only.in_use


def test_an_agent_is_given_its_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MachineError, match="above 0 GB, got -1"):
        Unison.from_pretrained("nano", memory_budget_gb=-1)
    monkeypatch.setenv(ENVIRONMENT, "0.000001")
    unison = Unison.from_pretrained("nano")
    assert unison.loaded == ()
    call = TASK_CALL.validate_python({"task": "text_to_image", "prompt": "a red star"})
    with pytest.raises(MachineError, match=r"nano/pipeline takes .* the budget is 1e-06 GB"):
        unison.run(Plan(request=Request(text="x"), steps=(call,)), MediaSet())
