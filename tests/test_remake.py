"""Files made again from their records: the same, changed, damaged, and from strangers."""

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import PIL.Image
import pytest
from typer.testing import CliRunner
from typer.testing import Result as Invoked

from unison_agent import record_files, replay
from unison_agent.agent import Unison
from unison_agent.cli.app import app
from unison_agent.errors import MediaError, MissingInputError, OutputError, RequestError
from unison_agent.media import Image, MediaSet
from unison_agent.packs import load_pack
from unison_agent.planning.planner import Planner
from unison_agent.remake import Difference, remake
from unison_agent.replay import Record, WeightHash
from unison_agent.result import Result
from unison_agent.router import AdapterTool, Router
from unison_agent.saved_files import profile_of, read_saved
from unison_agent.tasks import CustomCall, Evidence, Plan, Request, wordless_plan
from unison_agent.testing import EchoAdapter, ScriptedWriter

IMAGE = {"task": "text_to_image"}
CLIP = {"task": "text_to_video", "num_frames": 5}
TWO = {"task": "text_to_image", "num_outputs": 2}
EDIT = {"task": "image_editing", "source": "image_2", "target": "star", "seed": 9}


def agent(plan: Mapping[str, object] = IMAGE) -> Unison:
    pack = load_pack("nano")
    tools = [AdapterTool(spec, EchoAdapter()) for spec in pack.tools]
    return Unison(Planner(ScriptedWriter(plan)), Router(tools, profile=pack.profile))


def saved(path: Path, plan: Mapping[str, object] = IMAGE, text: str = "five red stars") -> Path:
    assert agent(plan).run(text, seed=7).save(path)
    return path


def rewritten(path: Path, change: Callable[[Record], dict[str, object]]) -> Path:
    """Change the record inside a PNG."""
    record = record_files.read(path)
    assert record is not None
    changed = record.model_copy(update=change(record))
    path.write_bytes(record_files.embed_png(path.read_bytes(), changed))
    return path


def test_another_commit_of_the_hub_is_a_difference(tmp_path: Path) -> None:
    class FromHub(AdapterTool):
        def weights(self) -> tuple[WeightHash, ...]:
            return (WeightHash(name="connector", sha256="a" * 64, source="ali/unison@new"),)

    pack = load_pack("nano")
    tools = [FromHub(spec, EchoAdapter()) for spec in pack.tools]
    unison = Unison(Planner(ScriptedWriter(IMAGE)), Router(tools, profile=pack.profile))
    path = tmp_path / "a.png"
    unison.run("five red stars").save(path)
    assert remake(path, agent=unison).differences == ()
    old = WeightHash(name="connector", sha256="b" * 64, source="ali/unison@old")
    lora = WeightHash(name="lora/planner", sha256="c" * 64)
    rewritten(path, lambda record: {"weights": (old, lora)})
    assert remake(path, agent=unison).differences == (
        Difference("weights connector", "b" * 64, "a" * 64),
        Difference("weights lora/planner", "c" * 64, "not used"),
        Difference("source of connector", "ali/unison@old", "ali/unison@new"),
    )


# --- the same ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.mp4", "a.gif"])
def test_a_file_is_made_again_byte_for_byte(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / name, IMAGE if name in ("a.png", "a.webp") else CLIP)
    remade = remake(path, agent=agent())
    assert (remade.match, remade.identical, remade.differences) == ("bytes", True, ())
    assert remade.result.granted.seed == 7  # pyright: ignore[reportAttributeAccessIssue]


def test_json_beside_the_pictures_stands_for_all_of_them(tmp_path: Path) -> None:
    remade = remake(saved(tmp_path / "a.json", TWO, "two stars"), agent=agent())
    assert (remade.match, remade.differences) == ("pixels", ())
    assert [each.handle for each in remade.artifacts] == ["step_1_1", "step_1_2"]
    content = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    content["records"][1]["sha256"] = "0" * 64
    (tmp_path / "a.json").write_text(json.dumps(content), encoding="utf-8")
    assert not remake(tmp_path / "a.json", agent=agent()).identical


def test_the_second_of_several_is_held_to_the_second(tmp_path: Path) -> None:
    saved(tmp_path / "a.png", TWO, "two stars")
    remade = remake(tmp_path / "a-2.png", agent=agent())
    assert (remade.match, remade.artifacts[0].handle) == ("bytes", "step_1_2")


def test_other_bytes_of_the_same_picture_are_identical(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png")
    record, again = record_files.read(path), io.BytesIO()
    assert record is not None
    Image.open(path).pil.save(again, "PNG", compress_level=0)
    path.write_bytes(record_files.embed_png(again.getvalue(), record))
    assert remake(path, agent=agent()).match == "pixels"


def test_attachments_are_known_by_their_hash(tmp_path: Path) -> None:
    stars: list[Path] = []
    for colour in ("red", "blue"):
        stars.append(tmp_path / f"{colour}.png")
        PIL.Image.new("RGB", (32, 32), colour).save(stars[-1])
    path = tmp_path / "edited.png"
    agent(EDIT).run("Turn the star green, seed 9", media=stars).save(path)
    remade = remake(path, list(reversed(stars)), agent=agent())
    assert (remade.match, remade.differences) == ("bytes", ())
    assert (
        remade.result.plan.request.attachments == read_saved(path).record.plan.request.attachments
    )
    with pytest.raises(MissingInputError, match="image_2 is missing") as missing:
        remake(path, stars[:1], agent=agent())
    assert missing.value.slot == "image_2"
    with pytest.raises(RequestError, match="too many are given: red"):
        remake(path, [*stars, stars[0]], agent=agent())
    with pytest.raises(RequestError, match="must be a sequence"):
        remake(path, str(stars[0]), agent=agent())
    PIL.Image.new("RGB", (32, 32), "pink").save(stars[1])
    (difference,) = remake(path, stars, agent=agent()).differences
    assert difference.what == "image_2 (blue.png)"


def test_attachments_out_of_memory_are_known_by_their_pixels(tmp_path: Path) -> None:
    stars = [PIL.Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    files = [tmp_path / "one.png", tmp_path / "two.webp"]
    stars[0].save(files[0])
    stars[1].save(files[1], lossless=True)
    path = tmp_path / "edited.png"
    media = [Image.from_pil(star) for star in stars]
    agent(EDIT).run("Turn the star green, seed 9", media=MediaSet.of(media)).save(path)
    for order in (files, files[::-1]):
        remade = remake(path, order, agent=agent())
        assert (remade.match, remade.differences) == ("bytes", ())


# --- not the same --------------------------------------------------------------------------------


def test_a_record_with_other_words_gives_another_picture(tmp_path: Path) -> None:
    def other(record: Record) -> dict[str, object]:
        (call,) = record.plan.steps
        steps = (call.model_copy(update={"prompt": "a blue house"}),)
        return {"plan": record.plan.model_copy(update={"steps": steps})}

    remade = remake(rewritten(saved(tmp_path / "a.png"), other), agent=agent())
    assert (remade.match, remade.differences) == ("different", ())


def test_what_is_recorded_and_is_otherwise_here_is_named(tmp_path: Path) -> None:
    def other(record: Record) -> dict[str, object]:
        (granted,) = record.granted
        versions = [
            replay.Version(name="torch", version="1.0"),
            replay.Version(name="", version="2"),
        ]
        weights = (replay.WeightHash(name="transformer", sha256="1" * 64),)
        return {
            "unison_version": "0.0.1",
            "granted": (granted.model_copy(update={"width": 128}),),
            "versions": tuple(versions),
            "weights": weights,
        }

    remade = remake(rewritten(saved(tmp_path / "a.png"), other), agent=agent())
    assert remade.identical
    found = {each.what: (each.recorded, each.here) for each in remade.differences}
    assert found["unison-agent"][0] == "0.0.1"
    assert found["torch"][0] == "1.0"
    assert found[""] == ("2", "not installed")
    assert found["weights transformer"] == ("1" * 64, "not used")
    assert found["step 1 width"] == ("128", "64")


# --- strangers' records --------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["unheard-of", "../nano.toml", "/etc/evil.toml", "custom"])
def test_only_packs_that_ship_are_loaded(tmp_path: Path, profile: str) -> None:
    path = rewritten(saved(tmp_path / "a.png"), lambda _: {"profile": profile})
    with pytest.raises(OutputError, match="does not ship with the library"):
        remake(path)
    with pytest.raises(OutputError, match=r"Known are .*nano.*wan-vace"):
        profile_of(read_saved(path))


def test_a_record_beyond_measure_is_refused(tmp_path: Path) -> None:
    def long(record: Record) -> dict[str, object]:
        return {"plan": record.plan.model_copy(update={"steps": record.plan.steps * 17})}

    def seeded(record: Record) -> dict[str, object]:
        return {"granted": (record.granted[0].model_copy(update={"seed": 2**64}),)}

    def fifth(record: Record) -> dict[str, object]:
        return {"index": 5}

    for change, message in (
        (long, "too many steps"),
        (seeded, "too large a seed"),
        (fifth, "output 5"),
    ):
        with pytest.raises(OutputError, match=message):
            remake(rewritten(saved(tmp_path / f"{message}.png"), change), agent=agent())


@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"step": ' + "9" * 5000 + "}", '"' + "a" * 2**20 + '"'], ids=len
)
def test_json_beyond_measure_is_damage(text: str) -> None:
    with pytest.raises(OutputError, match="its record is damaged"):
        replay.parse("a.png", text)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ("{" * 100_000, "is no JSON"),
        ("{}", "holds no record of a picture"),
        ('{"records": []}', "holds no record of a picture"),
        ('{"records": [3]}', "its record is damaged"),
        ('{"records": [{"record": {"step": 1}}]}', "its record is damaged"),
    ],
    ids=range(6),
)
def test_json_without_records_is_an_output_error(
    tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    with pytest.raises(OutputError, match=message):
        read_saved(tmp_path / "a.json")


def test_records_of_several_runs_are_refused(tmp_path: Path) -> None:
    one = json.loads(saved(tmp_path / "a.json").read_text(encoding="utf-8"))
    two = json.loads(saved(tmp_path / "b.json", text="a cat").read_text(encoding="utf-8"))
    mixed = {"records": [*one["records"], *two["records"]]}
    (tmp_path / "c.json").write_text(json.dumps(mixed), encoding="utf-8")
    with pytest.raises(OutputError, match="several runs"):
        read_saved(tmp_path / "c.json")


@pytest.mark.parametrize(("name", "kept"), [("a.png", 120), ("a.mp4", 300), ("a.mp4", 40)])
def test_truncated_files_are_media_errors(tmp_path: Path, name: str, kept: int) -> None:
    path = saved(tmp_path / name, IMAGE if name == "a.png" else CLIP)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(MediaError, match="cut short"):
        remake(path, agent=agent())


def test_a_picture_without_a_record(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    with pytest.raises(OutputError, match="holds no record"):
        remake(tmp_path / "plain.png", agent=agent())


# --- without the words ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.mp4", "a.gif", "a.json"])
def test_words_can_be_left_out_of_a_file(tmp_path: Path, name: str) -> None:
    made = agent(CLIP if name in ("a.mp4", "a.gif") else IMAGE).run("five confidential stars")
    assert made.save(tmp_path / name, words=False) == tmp_path / name
    assert b"confidential" not in (tmp_path / name).read_bytes()
    if name != "a.json":
        assert Result.load(tmp_path / name).granted == made.granted
    with pytest.raises(OutputError, match="without the request's words"):
        read_saved(tmp_path / name)
    assert made.plan.request.text == "five confidential stars"


def test_a_plan_without_words_keeps_what_is_no_word() -> None:
    call = CustomCall(
        tool="crop", arguments={"image": "image_1", "name": "Anna", "width": 3, "of": ["Bob", 2]}
    )
    plan = Plan(
        request=Request(text="crop Anna"),
        steps=(call,),
        evidence=(Evidence(step=1, field="name", start=5, end=9),),
    )
    bare = wordless_plan(plan)
    assert bare.steps[0].model_dump()["arguments"] == {
        "image": "image_1",
        "name": "(left out)",
        "width": 3,
        "of": ["(left out)", 2],
    }
    assert "Anna" not in bare.model_dump_json()
    assert bare.evidence == ()


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Invoked]:
    monkeypatch.chdir(tmp_path)

    def scripted(profile: str, *, tools: object, also: object) -> Unison:
        assert profile == "nano"
        del tools, also
        return agent()

    monkeypatch.setattr("unison_agent.cli.opening.open_unison", scripted)

    def invoke(*arguments: str) -> Invoked:
        return CliRunner().invoke(app, ["replay", *arguments], env={"COLUMNS": "120"})

    return invoke


def test_the_command_says_that_it_is_the_same(
    command: Callable[..., Invoked], tmp_path: Path
) -> None:
    saved(tmp_path / "a.png")
    done = command("a.png", "--out", "b.png")
    assert done.exit_code == 0, done.output
    assert "identical byte for byte" in done.stdout
    assert "saved b.png" in done.stdout
    assert (
        Image.open(tmp_path / "b.png").pil.tobytes() == Image.open(tmp_path / "a.png").pil.tobytes()
    )
    done = command("a.png", "--json")
    assert json.loads(done.stdout)["match"] == "bytes"
    assert command("a.png", "--out", "b.png").exit_code == 1


def test_the_command_names_what_differs(command: Callable[..., Invoked], tmp_path: Path) -> None:
    def other(record: Record) -> dict[str, object]:
        (granted,) = record.granted
        versions = (replay.Version(name="torch\x1b[2J", version="1.0"),)
        return {"granted": (granted.model_copy(update={"seed": 8}),), "versions": versions}

    rewritten(saved(tmp_path / "a.png"), other)
    done = command("a.png")
    assert done.exit_code == 1
    assert "different pixels" in done.stdout
    assert "1.0" in done.stdout
    assert "\x1b[2J" not in done.stdout
    rewritten(saved(tmp_path / "b.png"), lambda _: {"index": 1})
    PIL.Image.new("RGB", (64, 64)).save(tmp_path / "c.png")
    record = record_files.read(tmp_path / "b.png")
    assert record is not None
    painted = record_files.embed_png((tmp_path / "c.png").read_bytes(), record)
    (tmp_path / "c.png").write_bytes(painted)
    done = command("c.png")
    assert done.exit_code == 1
    assert "Nothing that is recorded differs" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["absent.png"], 2, "does not exist"),
        (["a.png", "--out", "b.txt"], 1, "holds no picture or clip"),
        (["a.png", "--out", "a.png"], 1, "exists"),
        (["plain.png"], 1, "holds no record"),
        (["a.png", "--media", "plain.png"], 1, "too many are given"),
    ],
)
def test_the_command_refuses_in_one_message(
    command: Callable[..., Invoked], tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    saved(tmp_path / "a.png")
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    done = command(*arguments)
    assert done.exit_code == code
    assert message in done.stderr
    assert "Traceback" not in done.output


# --- for real ------------------------------------------------------------------------------------


def test_nano_makes_its_own_picture_again(tmp_path: Path) -> None:
    unison = Unison.from_pretrained("nano")
    first = unison.run("Draw a red star on a blue background", seed=5)
    first.save(tmp_path / "star.png")
    assert remake(tmp_path / "star.png", agent=unison).match == "bytes"

    def other(record: Record) -> dict[str, object]:
        changed = [each.model_copy(update={"sha256": "2" * 64}) for each in record.weights[:1]]
        return {"weights": (*changed, *record.weights[1:])}

    remade = remake(rewritten(tmp_path / "star.png", other), agent=unison)
    assert remade.identical
    (difference,) = remade.differences
    assert isinstance(difference, Difference)
    assert difference.what == f"weights {first.artifacts[0].record.weights[0].name}"
