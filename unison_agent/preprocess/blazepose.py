"""Finds people and their joints by BlazePose; it does not know how they are drawn.

V. Bazarevsky et al., "BlazePose: On-device Real-time Body Pose tracking", 2020: one network finds people on the
whole picture, another the 33 points of one person on an upright crop. On a clip a person is cropped where the
points of the frame before lie.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import atan2, cos, hypot, pi, sin
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from unison_agent.errors import MissingDependencyError, RequestError, WeightsError
from unison_agent.preprocess.skeleton import Body, Joint, draw_bodies

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

_DETECTOR_SIDE, _CROP_SIDE = 224, 256
_STRIDES = ((8, 2), (16, 2), (32, 6))  # pixels of a cell, and guesses made in each
_FOUND, _PRESENT, _VISIBLE = 0.5, 0.5, 0.5
_MOST_PEOPLE = 6
_OVERLAP = 0.3  # boxes that share more than this are one person
_CROP_MARGIN = 1.25
_CUT = 32  # gray levels that two frames differ by on average
_MIDDLE, _ABOVE = (
    33,
    34,
)  # points made to place the next crop: middle of the hips, and one a body's radius off

_JOINTS: dict[Joint, int] = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8,
    "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14,
    "left_wrist": 15, "right_wrist": 16, "left_hip": 23, "right_hip": 24,
    "left_knee": 25, "right_knee": 26, "left_ankle": 27, "right_ankle": 28,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Crop:
    """A square turned around its middle, in pixels and radians."""

    x: float
    y: float
    side: float
    angle: float

    @classmethod
    def of(cls, middle: Sequence[float], above: Sequence[float]) -> "Crop":
        """Return the crop that shows a body upright, from the points made for this."""
        dx, dy = float(above[0] - middle[0]), float(above[1] - middle[1])
        side = 2 * hypot(dx, dy) * _CROP_MARGIN
        return cls(float(middle[0]), float(middle[1]), max(side, 2.0), atan2(dy, dx) + pi / 2)

    def shares(self, other: "Crop") -> float:
        """Return the intersection over union of the two, as if upright."""
        reach = (self.side + other.side) / 2
        wide = min(self.side, other.side, max(0.0, reach - abs(self.x - other.x)))
        tall = min(self.side, other.side, max(0.0, reach - abs(self.y - other.y)))
        return wide * tall / (self.side**2 + other.side**2 - wide * tall)


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One person on one frame.

    Attributes:
        points: x and y in pixels of 33 points and the two that place a crop, shape [35, 2].
        visible: How sure each point is seen, 0 to 1, shape [35].
        crop: Where it was looked for.
    """

    points: Floats
    visible: Floats
    crop: Crop

    def body(self, size: tuple[int, int]) -> Body:
        """Return the joints that are seen within a frame of `size`; the neck is the middle of the shoulders."""
        width, height = size
        x, y = self.points[:, 0], self.points[:, 1]
        inside: Mask = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        seen: dict[Joint, tuple[float, float]] = {
            joint: (float(self.points[i, 0]), float(self.points[i, 1]))
            for joint, i in _JOINTS.items()
            if inside[i] and self.visible[i] > _VISIBLE
        }
        if "left_shoulder" in seen and "right_shoulder" in seen:
            (left, top), (right, low) = seen["left_shoulder"], seen["right_shoulder"]
            seen["neck"] = ((left + right) / 2, (top + low) / 2)
        return seen


class BlazePose:
    """The two networks.

    Args:
        detector: Path of pose_detection.tflite.
        landmarks: Path of pose_landmark_full.tflite.

    Raises:
        MissingDependencyError: ai-edge-litert, which runs them, is not installed.
        WeightsError: A file is no such network.
    """

    def __init__(self, detector: Path, landmarks: Path) -> None:
        self._detector = _Network(detector)
        self._landmarks = _Network(landmarks)

    def follow(self, frames: "Sequence[Picture]") -> Iterator[list[Person]]:
        """Yield the people on each frame; those of the frame before are looked for where they were."""
        known: list[Crop] = []
        before: Picture | None = None
        for frame in frames:
            if before is not None and _is_cut(before, frame):
                known = []
            before = frame
            people: list[Person] = []
            rest = self.find(frame)
            for crop in (*known, *rest):
                person = None
                if all(crop.shares(other.crop) < _OVERLAP for other in people):
                    person = self.look(frame, crop)
                if person is not None and len(people) < _MOST_PEOPLE:
                    people.append(person)
            known = [Crop.of(p.points[_MIDDLE], p.points[_ABOVE]) for p in people]
            yield people

    def find(self, frame: "Picture") -> list[Crop]:
        """Return where people are, the surest first."""
        scale = _DETECTOR_SIDE / max(frame.size)
        size = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
        left, top = (_DETECTOR_SIDE - size[0]) // 2, (_DETECTOR_SIDE - size[1]) // 2
        square = Image.new("RGB", (_DETECTOR_SIDE, _DETECTOR_SIDE))
        square.paste(frame.convert("RGB").resize(size, Image.Resampling.BILINEAR), (left, top))
        raw, scores = self._detector.run(np.asarray(square, np.float32) / np.float32(127.5) - 1)
        likely = 1 / (1 + np.exp(-np.clip(scores[0, :, 0], -80, 80)))
        # A guess says, seen from its cell: a box, the middle of the hips, and a point a body's radius off.
        points = (raw[0, :, 4:8].reshape(-1, 2, 2) + self._cells[:, None]) - (left, top)
        found: list[Crop] = []
        for index in np.argsort(-likely):
            if likely[index] < _FOUND or len(found) == _MOST_PEOPLE:
                break
            crop = Crop.of(*(points[index] / scale))
            if all(crop.shares(other) < _OVERLAP for other in found):
                found.append(crop)
        return found

    def look(self, frame: "Picture", crop: Crop) -> Person | None:
        """Return the person on `crop`; None when there is none."""
        step = crop.side / _CROP_SIDE
        a, b = step * cos(crop.angle), step * sin(crop.angle)
        half = _CROP_SIDE / 2
        corner = (crop.x - (a - b) * half, crop.y - (a + b) * half)
        turned = frame.convert("RGB").transform(
            (_CROP_SIDE, _CROP_SIDE),
            Image.Transform.AFFINE,
            (a, -b, corner[0], b, a, corner[1]),
            Image.Resampling.BILINEAR,
        )
        raw, present, *_ = self._landmarks.run(np.asarray(turned, np.float32) / np.float32(255))
        if present.item() < _PRESENT:
            return None
        # 39 points of x, y, depth, visibility and presence; the last four are of no use here.
        points = raw.reshape(39, 5)[: _ABOVE + 1]
        turn = np.array([[a, b], [-b, a]], np.float32)
        visible = (1 / (1 + np.exp(-points[:, 3]))).astype(np.float32)
        return Person(points[:, :2] @ turn + np.array(corner, np.float32), visible, crop)

    @cached_property
    def _cells(self) -> Floats:
        """The middles of the detector's cells, as often as it guesses there, in pixels."""
        grids: list[Floats] = []
        for stride, guesses in _STRIDES:
            middles = (np.arange(_DETECTOR_SIDE // stride, dtype=np.float32) + 0.5) * stride
            grid = np.stack(np.meshgrid(middles, middles), -1).reshape(-1, 2)
            grids.append(np.repeat(grid, guesses, 0))
        return np.concatenate(grids)


def pose_maps(network: BlazePose) -> "Callable[[Sequence[Picture]], list[Picture]]":
    """Return what draws the people of a clip as coloured sticks on black."""

    def draw(frames: "Sequence[Picture]") -> "list[Picture]":
        found = zip(network.follow(frames), frames, strict=True)
        bodies = [[person.body(frame.size) for person in people] for people, frame in found]
        if not any(bodies):
            msg = f"No person is seen on any of the {len(frames)} frame(s), so there is no pose to follow."
            raise RequestError(
                msg, hint="Attach footage of a person, larger in the frame if possible."
            )
        return [draw_bodies(each, frame.size) for each, frame in zip(bodies, frames, strict=True)]

    return draw


def _is_cut(before: "Picture", frame: "Picture") -> bool:
    """Return whether another scene begins: on a crop of it the network would imagine the person from before."""
    one, other = (
        np.asarray(each.convert("RGB").resize((16, 16), Image.Resampling.BOX), np.float32)
        for each in (before, frame)
    )
    return bool(np.abs(one - other).mean() > _CUT)


class _Tensor(TypedDict):
    """The part of a tensor's description that is needed."""

    name: str
    index: int


class _Interpreter(Protocol):
    """The part of ai-edge-litert that is needed."""

    def allocate_tensors(self) -> None: ...

    def get_input_details(self) -> list[_Tensor]: ...

    def get_output_details(self) -> list[_Tensor]: ...

    def set_tensor(self, index: int, value: Floats, /) -> None: ...

    def get_tensor(self, index: int, /) -> Floats: ...

    def invoke(self) -> None: ...


class _Network:
    """A .tflite file, run on the CPU."""

    def __init__(self, path: Path) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise MissingDependencyError("ai-edge-litert", extra="control") from error
        try:
            interpreter = Interpreter(str(path), num_threads=1)
            self._interpreter = cast("_Interpreter", interpreter)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            msg = f"{path} is no network that can be run: {error}."
            raise WeightsError(msg, hint="Remove it, and it is fetched again.") from error

    def run(self, picture: Floats) -> list[Floats]:
        """Return all outputs for one picture [height, width, 3], in the order of their names."""
        (entry,) = self._interpreter.get_input_details()
        self._interpreter.set_tensor(entry["index"], picture[None].astype(np.float32))
        self._interpreter.invoke()
        outputs = sorted(self._interpreter.get_output_details(), key=lambda each: each["name"])
        return [self._interpreter.get_tensor(each["index"]) for each in outputs]
