import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from unison_agent import ImageHandle, Stated, custom_tool
from unison_agent.evaluation.custom_cases import custom_cases, lacking_cases
from unison_agent.evaluation.planning_cases import Step, read_cases
from unison_agent.evaluation.tool_check import (
    Binding,
    Reach,
    bindings,
    check,
    is_offered,
    served_by,
)
from unison_agent.packs import load_pack
from unison_agent.specs import Pack
from unison_agent.tasks import TASK_CALL, TASKS, CustomCall, MissingInput, Plan, Request

SHIPPED = Path(__file__).parents[1] / "unison_agent" / "evaluation" / "tool_requests.jsonl"


def small_pack() -> Pack:
    """nano without its video tasks, its drawing tool under another name."""
    pack = load_pack("nano")
    answers, draws = pack.tools
    tasks = ("text_to_image", "image_editing")
    return pack.model_copy(
        update={"tools": (answers, draws.model_copy(update={"name": "mine", "tasks": tasks}))}
    )


def right_plans() -> dict[str, Plan]:
    plans: dict[str, Plan] = {}
    for case in read_cases([SHIPPED]):
        (step,) = case.steps
        words = "question" if step.task.endswith("_understanding") else "prompt"
        call = {"task": step.task, words: case.request.text, **step.fields}
        plans[case.request.text] = Plan(
            request=case.request, steps=(TASK_CALL.validate_python(call),)
        )
    return plans


def test_requests_ship_for_every_task():
    cases = read_cases([SHIPPED])
    assert {case.task for case in cases} == set(TASKS)
    assert all(is_offered(case.request, case.task) for case in cases)
    assert len({case.request.text for case in cases}) == len(cases)


def test_a_task_is_offered_when_its_media_are_there():
    text = "draw a cat, then remove its hat"
    (attached,) = read_cases([SHIPPED])[12].request.attachments
    assert is_offered(Request(text=text, attachments=(attached,)), "image_editing")
    # A later step could edit what the first one drew; the first one cannot.
    assert not is_offered(Request(text=text), "image_editing")
    assert not is_offered(Request(text=text), "upscale")


def test_bindings_are_the_tasks_that_a_pack_serves():
    found = bindings(small_pack(), most=3)
    assert [(binding.tool, binding.name) for binding in found] == [
        ("nano-answer", "text_understanding"),
        ("nano-answer", "image_understanding"),
        ("nano-answer", "video_understanding"),
        ("mine", "text_to_image"),
        ("mine", "image_editing"),
    ]
    assert all(len(binding.cases) == 3 for binding in found)


def test_benchmark_files_give_more_requests(tmp_path: Path):
    path = tmp_path / "more.jsonl"
    path.write_text(
        '{"request": "a very new star", "media": [], "call": {"task": "text_to_image"}}\n'
        '{"request": "one and two", "media": [], "call": {"task": "text_to_image",'
        ' "then": {"task": "image_to_video", "first_frame": "step_1"}}}\n'
        '{"request": "edit it", "media": [], "call": {"needs_input": "source"}}\n',
        encoding="utf-8",
    )
    (drawn,) = [b for b in bindings(small_pack(), [path]) if b.name == "text_to_image"]
    assert drawn.cases[-1].request.text == "a very new star"
    assert "one and two" not in {case.request.text for case in drawn.cases}


def test_a_planner_that_is_right_reaches_every_tool():
    plans = right_plans()
    reached = check(bindings(load_pack("nano")), lambda request: plans[request.text])
    assert [reach.name for reach in reached] == [
        task for tool in load_pack("nano").tools for task in tool.tasks
    ]
    assert all(reach.reachable and reach.share == 1 and not reach.taken_for for reach in reached)


def test_what_is_never_chosen_is_not_reachable():
    plans = right_plans()

    def draws(request: Request) -> Plan:
        if request.attachments:
            return plans[request.text]
        call = TASK_CALL.validate_python({"task": "text_to_image", "prompt": request.text})
        return Plan(request=request, steps=(call,))

    reached = {reach.name: reach for reach in check(bindings(load_pack("nano")), draws)}
    assert reached["text_to_image"].reachable
    lost = reached["text_to_video"]
    assert not lost.reachable
    assert lost.taken_for == {"text_to_image": lost.cases}


def test_what_the_grammar_does_not_offer_is_not_reachable():
    plans = right_plans()
    reached = check(
        bindings(load_pack("nano"), most=2),
        lambda request: plans[request.text],
        offers=lambda _, name, __: name != "image_editing",
    )
    assert [reach.name for reach in reached if not reach.reachable] == ["image_editing"]


def test_a_name_without_requests_is_not_called_reachable():
    (reach,) = check([Binding("mine", "upscale", ())], lambda request: Plan(request=request))
    assert not reach.reachable
    assert reach.share == 0


def test_a_fair_share_decides():
    assert Reach("a", "b", cases=4, offered=4, chosen=2, taken_for={}).reachable
    assert not Reach("a", "b", cases=4, offered=4, chosen=2, taken_for={}, fair_share=0.6).reachable


def test_tools_are_known_by_their_tasks():
    assert served_by(small_pack())["image_editing"] == "mine"


class Measure(BaseModel):
    """Measure how far two photos are apart."""

    photos: list[ImageHandle] = Field(min_length=2, max_length=2)
    unit: Stated[Literal["pixels", "percent"]]
    tolerance: Stated[float] = Field(gt=0.5, lt=0.9)
    steps: Stated[int] = Field(ge=3)
    title: str
    note: str | None = None


def measure(wanted: Measure) -> str:
    return str(wanted)


def test_a_custom_tool_is_asked_for_with_all_that_it_needs():
    tool = custom_tool(Measure, measure)
    made = custom_cases(tool)
    assert len({case.request.text for case in made}) == 12
    for case in made:
        assert [a.kind for a in case.request.attachments] == ["image", "image"]
        assert re.search(r"pixels|percent", case.request.text)
        assert re.search(r"tolerance 0\.[5-8]", case.request.text)
        assert re.search(r"steps \d", case.request.text)
        assert is_offered(case.request, "measure", [tool])
    assert not is_offered(made[0].request, "measure")
    assert custom_cases(tool, most=2) == made[:2]


def test_a_custom_tool_is_asked_for_without_what_it_needs_too():
    tool = custom_tool(Measure, measure)
    asked = lacking_cases(tool, most=3)
    assert len({case.request.text for case in asked}) == 3
    for case in asked:
        assert case.request.attachments == ()
        assert case.steps == (Step("needs_input", {"slot": "measure.photos"}),)
        assert is_offered(case.request, "measure.photos", [tool])
        assert not is_offered(case.request, "measure", [tool])
        assert not is_offered(case.request, "measure.unit", [tool])
    assert lacking_cases(custom_tool({"title": "wait", "type": "object"}, str, description="Wait.", output="text")) == ()  # fmt: skip

    def asks(request: Request) -> Plan:
        missing = MissingInput(slot="measure.photos", question="Which?")
        return Plan(request=request, missing=missing)

    calls = (CustomCall(tool="measure", arguments={}),)
    (_, wanted) = bindings(small_pack(), tools=[tool], most=3)[:2]
    assert wanted.name == "measure.photos"
    (reach,) = check([wanted], asks, tools=[tool])
    assert (reach.chosen, reach.offered, reach.cases) == (3, 3, 3)
    (reach,) = check([wanted], lambda request: Plan(request=request, steps=calls), tools=[tool])
    assert reach.reachable  # it is told, and not required


def test_custom_tools_are_checked_beside_the_tasks_and_with_what_they_draw_to_themselves():
    tool = custom_tool(Measure, measure)
    plans = right_plans()

    def greedy(request: Request) -> Plan:
        if request.text in plans and not request.text.startswith("Draw"):
            return plans[request.text]
        return Plan(request=request, steps=(CustomCall(tool="measure", arguments={}),))

    wanted = bindings(load_pack("nano"), tools=[tool], most=3)
    assert wanted[0].name == "measure"
    reached = {reach.name: reach for reach in check(wanted, greedy, tools=[tool])}
    assert reached["measure"].reachable
    assert all(reach.offered == reach.cases for reach in reached.values())
