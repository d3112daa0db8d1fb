import json
import shutil
from pathlib import Path
from typing import cast

import pytest
from jsonschema import Draft202012Validator, ValidationError
from pydantic import TypeAdapter

from unison_agent import schema
from unison_agent.errors import OutputError
from unison_agent.packs import Pack
from unison_agent.replay import Record
from unison_agent.tasks import TASK_CALL, TASKS, Granted, Plan, Request

FOLDER = Path(__file__).parents[1] / "schemas"
MODELS: dict[str, TypeAdapter[object]] = {
    "task_call": TypeAdapter(TASK_CALL._type),
    "plan": TypeAdapter(Plan),
    "granted": TypeAdapter(Granted),
    "request": TypeAdapter(Request),
    "tool_pack": TypeAdapter(Pack),
    "record": TypeAdapter(Record),
}


def read(name: str) -> dict[str, object]:
    return json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))


def examples_of(document: dict[str, object]) -> list[dict[str, object]]:
    return cast("list[dict[str, object]]", document["examples"])


def test_schemas_match_the_models() -> None:
    assert schema.drift() == ()
    assert schema.documents().keys() == {f"{name}.schema.json" for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
def test_schemas_are_valid_2020_12(name: str) -> None:
    document = read(name)
    assert document["$schema"] == schema.DIALECT
    Draft202012Validator.check_schema(document)


@pytest.mark.parametrize("name", MODELS)
def test_examples_validate_by_schema_and_by_model(name: str) -> None:
    document = read(name)
    assert examples_of(document)
    for example in examples_of(document):
        Draft202012Validator(document).validate(example)
        MODELS[name].validate_json(json.dumps(example))


def test_examples_show_every_task() -> None:
    assert [call["task"] for call in examples_of(read("task_call"))] == list(TASKS)


@pytest.mark.parametrize(
    "call",
    [
        {"prompt": "a star"},
        {"task": "text_to_opera", "prompt": "a star"},
        {"task": "text_to_image", "prompt": "a star", "colour": "red"},
        {"task": "text_to_image", "prompt": "a star", "seed": -1},
        {"task": "text_to_video", "prompt": "a star", "num_frames": 0},
        {"task": "image_editing", "prompt": "a star", "source": "star.png"},
        {"task": "image_reference_generation", "prompt": "a star", "references": []},
    ],
)
def test_schema_and_model_refuse_the_same(call: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Draft202012Validator(read("task_call")).validate(call)
    with pytest.raises(ValueError, match="validation error"):
        TASK_CALL.validate_python(call)


def test_check_tells_drift_and_writing_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(FOLDER, tmp_path / "schemas"))

    def data(kind: str) -> Path:
        assert kind == "schemas"
        return folder

    monkeypatch.setattr(schema, "data", data)
    assert schema.main(["--check"]) == 0
    (folder / "plan.schema.json").write_text("{}", encoding="utf-8")
    (folder / "record.schema.json").unlink()
    assert schema.main(["--check"]) == 1
    out = capsys.readouterr().out
    assert "schemas/plan.schema.json differs" in out
    assert "schemas/record.schema.json differs" in out
    assert schema.main([]) == 0
    assert schema.main(["--check"]) == 0
    (folder / "stray.json").write_text("{}", encoding="utf-8")
    assert schema.drift() == ("stray.json",)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be written"):
        schema.write(tmp_path / "file")
