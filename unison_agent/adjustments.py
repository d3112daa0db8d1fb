"""What was stated and is not granted, each with the limit it met; it decides nothing.

It compares wishes with what has been granted and puts the difference in words.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from unison_agent.sizing import SizeWish, fits_lines, fits_ratio, shape_of
from unison_agent.specs import Limits
from unison_agent.tasks import Adjustment, Rule
from unison_agent.timing import TimeWish, fits_duration, keeps_source, seconds_of


@dataclass(frozen=True, slots=True)
class Basis:
    """What an output is made from, where it is made from something: source, control or first frame.

    Attributes:
        width: Pixels.
        height: Pixels.
        num_frames: Frames; None for an image.
        fps: Frames a second; None for an image.
    """

    width: int
    height: int
    num_frames: int | None = None
    fps: float | None = None

    @property
    def seconds(self) -> float | None:
        """How long it lasts; None for an image."""
        return self.num_frames / self.fps if self.num_frames and self.fps else None


@dataclass(frozen=True, slots=True)
class RangedValue:
    """A value whose only limit is a range.

    Attributes:
        field: Its name in the call.
        asked: What is stated, None when nothing is.
        default: What is granted then.
        pair: The least and the most, both allowed.
        rule: The rule of a change.
        why: What asks for one value, where the range is no more than that.
    """

    field: str
    asked: float | None
    default: float
    pair: tuple[float, float]
    rule: Rule
    why: str | None = None

    @property
    def granted(self) -> float:
        """The allowed value nearest to what is asked, or to the default."""
        wished = self.default if self.asked is None else self.asked
        return min(max(wished, self.pair[0]), self.pair[1])

    def changes(self) -> Iterator[Adjustment]:
        """Yield what was asked and is not granted."""
        if self.asked is not None and self.asked != self.granted:
            reason = f"{self.field} is {_between(*self.pair)}"
            if self.why is not None:
                reason = f"{self.why} {self.field} {self.granted:g}"
            yield _change(self.field, self.asked, self.granted, self.rule, reason)


def _between(least: float, most: float) -> str:
    """Return ``"5 to 17"``, or ``"always 64"`` where there is no choice."""
    return f"always {least:g}" if least == most else f"{least:g} to {most:g}"


def _change(
    field: str, asked: float | str, granted: float | str, rule: Rule, reason: str
) -> Adjustment:
    return Adjustment(field=field, asked=asked, granted=granted, rule=rule, reason=reason)


def size_changes(
    wish: SizeWish, limits: Limits, size: tuple[int, int], basis: Basis | None
) -> Iterator[Adjustment]:
    """Yield what was wished of the size, or given by a source, and is not granted."""
    step = limits.multiple_of
    for field, asked, granted in (("width", wish.width, size[0]), ("height", wish.height, size[1])):
        if asked is not None and asked != granted:
            rule, reason = _side_rule(field, asked, wish, limits)
            yield _change(field, asked, granted, rule, reason)
    ranges = f"width is {_between(*limits.width)}, height {_between(*limits.height)}"
    reason = f"{ranges}, the frame at most {limits.max_area} pixels"
    if wish.lines and not fits_lines(*size, wish.lines, step):
        yield _change("resolution", f"{wish.lines}p", f"{min(size)}p", "resolution", reason)
    if wish.aspect and not wish.aspect.fits(*size, step):
        yield _change("aspect_ratio", wish.aspect.text, shape_of(*size), "aspect_ratio", reason)
    if basis is None:
        return
    # A source is changed where nothing is stated and its size is not kept, or where one length is stated
    # and its shape is not. Who states more than that has asked for another shape.
    source = (basis.width, basis.height)
    lengths = [wish.width, wish.height, wish.lines].count(None)
    keeps_shape = fits_ratio(*size, source[0] / source[1], step)
    if (wish.is_open and size != source) or (lengths == 2 and not wish.aspect and not keeps_shape):
        asked = f"{source[0]}x{source[1]} (source)"
        yield _change("size", asked, f"{size[0]}x{size[1]}", "source_size", reason)


def _side_rule(field: str, asked: int, wish: SizeWish, limits: Limits) -> tuple[Rule, str]:
    lengths = limits.widths() if field == "width" else limits.heights()
    least, most = lengths[0], lengths[-1]
    if not least <= asked <= most:
        return "size_range", f"{field} is {_between(least, most)} pixels"
    if asked % limits.multiple_of:
        return "multiple_of", f"{field} is a multiple of {limits.multiple_of}"
    if field == "width":
        area = asked * (wish.height or limits.heights()[0])
    else:
        area = asked * (wish.width or limits.widths()[0])
    if area > limits.max_area:
        return "area_cap", f"a frame has at most {limits.max_area} pixels"
    counts = limits.frame_counts()
    if limits.max_volume and counts and area * counts[0] > limits.max_volume:
        return "volume_cap", f"area times frames is at most {limits.max_volume}"
    return "aspect_ratio", "the shape is kept, and the other side cannot follow"


def time_changes(
    wish: TimeWish, limits: Limits, num_frames: int, fps: float, basis: Basis | None
) -> Iterator[Adjustment]:
    """Yield what was wished of the time, or given by a source, and is not granted."""
    counts = limits.frame_counts()
    frames = f"num_frames is {_between(counts[0], counts[-1])}"
    speeds = f"fps is {_between(*(limits.fps or (fps, fps)))}"
    asked, seconds = wish.num_frames, wish.duration_seconds
    if asked is not None and asked != num_frames:
        if not counts[0] <= asked <= counts[-1]:
            yield _change("num_frames", asked, num_frames, "frame_range", frames)
        elif asked not in counts:
            reason = f"num_frames follows the rule {limits.frame_rule}"
            yield _change("num_frames", asked, num_frames, "frame_rule", reason)
        else:
            reason = f"area times frames is at most {limits.max_volume}"
            yield _change("num_frames", asked, num_frames, "volume_cap", reason)
    if seconds is not None and not fits_duration(num_frames, fps, seconds, limits):
        lasting = seconds_of(num_frames, fps, limits)
        reason = f"{num_frames} frames at {fps:g} fps: {frames}, {speeds}"
        yield _change("duration_seconds", seconds, lasting, "duration", reason)
    if wish.fps is not None and wish.fps != fps:
        yield _change("fps", wish.fps, fps, "native_fps", speeds)
    if basis is None:
        return
    stated = (asked is not None) + (seconds is not None)
    if basis.num_frames and not stated and basis.num_frames != num_frames:
        source = f"{basis.num_frames} (source)"
        yield _change("num_frames", source, num_frames, "frame_range", frames)
    if basis.fps and wish.fps is None and stated < 2 and basis.fps != fps:
        yield _change("fps", f"{basis.fps:g} (source)", fps, "native_fps", speeds)
    if basis.seconds and not keeps_source(wish, num_frames, fps, limits):
        lasting = num_frames / fps
        how = f"{basis.seconds / lasting:.3g} times as fast"
        reason = f"{frames}, {speeds}; all of the source is shown, {how}"
        asked = f"{basis.seconds:.3g} (source)"
        yield _change("duration_seconds", asked, round(lasting, 3), "duration", reason)
