from pathlib import Path
from typing import get_args

import pytest

from unison_agent.errors import PackError, UnknownProfileError
from unison_agent.packs import Pack, known_profiles, load_pack, parse_pack
from unison_agent.specs import Domain
from unison_agent.tasks import TASKS

EXAMPLE = (Path(__file__).parent / "data" / "pack.toml").read_text(encoding="utf-8")


def line_with(text: str, words: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), 1) if words in line)


def broken(old: str, new: str) -> tuple[PackError, str]:
    """Return the error of the example with `old` replaced by `new`, and that text."""
    text = EXAMPLE.replace(old, new, 1)
    assert text != EXAMPLE
    with pytest.raises(PackError) as caught:
        parse_pack(text, file="some.toml")
    return caught.value, text


@pytest.mark.parametrize("profile", known_profiles())
def test_shipped_packs_serve_each_task_once_and_their_kind_at_least(profile: str) -> None:
    pack = load_pack(profile)
    assert pack.profile == profile
    served = sorted(task for tool in pack.tools for task in tool.tasks)
    if any(tool.adapter == "image" for tool in pack.tools):
        assert {"text_to_image", "image_editing", "image_understanding"} <= set(served)
        assert len(served) == len(set(served))
    elif any(tool.adapter == "clips" for tool in pack.tools):
        assert {"text_to_video", "image_to_video", "video_understanding"} <= set(served)
        assert len(served) == len(set(served))
    else:
        assert served == sorted(TASKS)


def test_nano_does_64_by_64_and_17_frames() -> None:
    _, video = load_pack("nano").tools
    assert video.limits is not None
    assert list(video.limits.widths()) == list(video.limits.heights()) == [64]
    assert list(video.limits.frame_counts()) == [5, 9, 13, 17]
    assert video.pipeline is not None
    assert not video.pipeline.text_encoder


@pytest.mark.parametrize("name", ["wan-vace", "wan_vace"])
def test_names_are_read_with_either_dash(name: str) -> None:
    assert load_pack(name).profile == "wan-vace"


@pytest.mark.parametrize("name", ["moon", "../tools/nano", "", "nano/", "missing.toml"])
def test_unknown_profile_lists_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownProfileError, match=r"nano, qwen-image, sdxl, wan-vace") as caught:
        load_pack(name)
    assert repr(name) in caught.value.message


def test_a_path_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(EXAMPLE.replace('"example"', '"mine"', 1), encoding="utf-8")
    assert load_pack(file).profile == load_pack(str(file)).profile == "mine"


def test_a_folder_is_no_pack(tmp_path: Path) -> None:
    with pytest.raises(UnknownProfileError):
        load_pack(tmp_path)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PackError, match="cannot be read as UTF-8"):
        load_pack(file)


def test_broken_toml_names_the_line() -> None:
    error, text = broken("layer = ", "layer == ")
    assert error.line == line_with(text, "layer ==")
    assert "this is not TOML" in error.message


def test_wrong_key_names_file_key_line_and_the_known_keys() -> None:
    error, text = broken("multiple_of = 16", "multiples_of = 16")
    assert error.key == "tools[1].limits.multiples_of"
    assert error.line == line_with(text, "multiples_of")
    assert str(error).startswith(f"some.toml:{error.line}: tools[1].limits.multiples_of: there is")
    assert error.hint is not None
    assert "multiple_of," in error.hint


def test_wrong_key_at_the_root_and_in_a_model_of_its_own() -> None:
    error, _ = broken("profile =", "profil =")
    assert error.key in {"profil", "profile"}
    error, text = broken("layer = ", "layers = ")
    assert error.line in {line_with(text, "layers ="), line_with(text, "[understanding]")}


def test_missing_key_points_at_its_table() -> None:
    error, text = broken("max_area = 4096\n", "")
    assert error.key == "tools[1].limits.max_area"
    assert error.line == line_with(text, "[tools.limits]")
    assert "missing" in error.message


def test_inline_tables_are_pointed_at() -> None:
    table = "[tools.connector]\nfile = "
    inline = '[tools.connector]\nrequired = true\nfile = { name = "x" }\n#'
    error, text = broken(f'{table}"connector"\nrequired = true', inline)
    assert error.line == line_with(text, "file = {")


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ('adapter = "video"', 'adapter = "my.module:Adapter"', "tools[1].adapter", "'answer'"),
        ('adapter = "video"', 'adapter = "answer"', "tools[1].tasks", "does not serve"),
        ('"text_to_video",', '"text_to_opera",', "tools[1].tasks[1]", "text_to_opera"),
        ('"text_to_video",', '"text_to_image",', "tools[1].tasks", "already served by 'example-video'"),
        ('"example-video"', '"example-answer"', "tools[1].name", "two tools are named"),
        ("max_new_tokens = 48", "", "tools[0].defaults.max_new_tokens", "needs"),
        ("steps = 12", "steps = 60", "tools[1].defaults.steps", "60 is not within"),
        ("steps = 12", 'steps = "12"', "tools[1].defaults.steps", "valid integer"),
        ("width = 64\n", "width = 72\n", "tools[1].defaults.width", "72 is not within"),
        ("fps = 8", "fps = 30", "tools[1].defaults.fps", "not within"),
        ("num_frames = 17", "num_frames = 16", "tools[1].defaults.num_frames", "not within"),
        ("width = [64, 64]", "width = [64, 63]", "tools[1].limits.width", "[least, most]"),
        ("width = [64, 64]", "width = [65, 66]", "tools[1].limits.width", "multiple of 16"),
        ("max_area = 4096", "max_area = 4095", "tools[1].limits.max_area", "below"),
        ("max_volume = 69632", "max_volume = 4096", "tools[1].limits.max_volume", "below"),
        ("num_frames = [5, 17]", "num_frames = [6, 8]", "tools[1].limits.num_frames", "4n+1"),
        ("native_fps = 8", "native_fps = 2", "tools[1].limits.native_fps", "not within"),
        ("native_fps = 8", "", "tools[1].limits.fps", "native_fps"),
        ("num_frames = [5, 17]", "", "tools[1].defaults.num_frames", "not within"),
        ('folder = "pipeline"', 'folder = "../../etc"', "tools[1].pipeline.folder", "match"),
        ('folder = "pipeline"', "", "tools[1].pipeline.folder", "needs folder"),
        ('file = "connector"', 'file = "connector.pkl"', "tools[1].connector.file", "match"),
        ('source = "nano"', 'source = "hub"', "understanding.repo", "needs repo"),
        ('layer = ', 'repo = "a/b"\nlayer = ', "understanding.repo", "take none"),
    ],
)  # fmt: skip
def test_wrong_values_name_key_and_line(old: str, new: str, key: str, words: str) -> None:
    error, text = broken(old, new)
    assert error.key == key
    assert words in error.message
    assert error.line is not None
    assert 0 < error.line <= len(text.splitlines())


def test_answering_tool_takes_no_pipeline() -> None:
    limits = EXAMPLE[EXAMPLE.index("[tools.limits]") :]
    error, _ = broken("[tools.defaults]", f"{limits}\n[tools.defaults]")
    assert error.key == "tools[0].limits"


def test_generating_tool_needs_limits() -> None:
    error, _ = broken(EXAMPLE[EXAMPLE.index("[tools.limits]") :], "")
    assert error.key == "tools[1].limits"


def test_several_mistakes_are_counted() -> None:
    error, _ = broken("refuse_side_above = 16384\nnum_frames", "refuse = 1\nframe_count")
    assert "(1 more after this one)" in error.message


def test_packs_are_frozen_and_go_through_json() -> None:
    pack = load_pack("nano")
    assert Pack.model_validate_json(pack.model_dump_json()) == pack
    assert get_args(Pack.model_fields["tools"].annotation)
    with pytest.raises(ValueError, match="frozen"):
        pack.profile = "other"  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("prompt", "known"),
    [
        ("two red stars", True),
        ("three boxes and a FOX", True),
        ("strawberries and butterflies", True),
        ("a photo of Paris", False),
        ("starfish on a carpet", False),
        ("", False),
    ],
)
def test_a_domain_knows_its_words_and_their_plurals(prompt: str, known: bool) -> None:
    words = ("star", "fox", "strawberry", "butterfly", "car")
    assert Domain(words=words, note="No photos.").knows(prompt) == known
