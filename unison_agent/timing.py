"""The nearest allowed frame count and speed to what is wished; it does not know of sizes."""

from dataclasses import dataclass

from unison_agent.specs import Limits


@dataclass(frozen=True, slots=True)
class TimeWish:
    """What is wished of a clip's time; None means nothing is.

    Attributes:
        num_frames: Frames.
        duration_seconds: Seconds.
        fps: Frames a second.
        like_num_frames: Frames, where neither they nor a duration are wished.
        like_fps: Frames a second, where none are wished.
        source_seconds: How long the clip lasts that is worked on. Where neither frames nor a duration are wished,
            so long shall be what is made; None where there is no such clip.
    """

    num_frames: int | None
    duration_seconds: float | None
    fps: float | None
    like_num_frames: int
    like_fps: float
    source_seconds: float | None = None


def nearest_time(wish: TimeWish, limits: Limits, max_frames: float) -> tuple[int, float]:
    """Return ``(num_frames, fps)`` nearest to `wish`, of at most `max_frames` frames."""
    least, most = limits.fps or (wish.like_fps, wish.like_fps)
    fps = min(max(wish.fps or wish.like_fps, least), most)
    allowed = [count for count in limits.frame_counts() if count <= max_frames]
    if wish.num_frames is not None:
        num_frames = _nearest(wish.num_frames, allowed)
        seconds = wish.duration_seconds
        if seconds and not wish.fps and not fits_duration(num_frames, fps, seconds, limits):
            # Frames and duration are stated and the speed is open: it is what makes them agree.
            fps = min(max((num_frames - _first(limits)) / seconds, least), most)
    elif wish.duration_seconds is not None:
        num_frames = _nearest(_frames_of(wish.duration_seconds, fps, limits), allowed)
    elif wish.source_seconds is None or fps == wish.like_fps:
        num_frames = _nearest(wish.like_num_frames, allowed)
    else:  # at another speed it is as long with another number of frames
        num_frames = _nearest(round(wish.source_seconds * fps), allowed)
    if wish.source_seconds and _is_open(wish):
        ideal = round(wish.source_seconds * fps)
        if wish.fps is None and abs(num_frames - ideal) > limits.frame_counts().step:
            # Its frames do not fit: fewer or more a second, and it lasts as long and moves as fast.
            fps = round(min(max(num_frames / wish.source_seconds, least), most), 3)
    return num_frames, fps


def keeps_source(wish: TimeWish, num_frames: int, fps: float, limits: Limits) -> bool:
    """Say whether so many frames last as long as the source, up to the rounding of the frame rule."""
    if not wish.source_seconds or not _is_open(wish):
        return True
    return abs(num_frames - wish.source_seconds * fps) <= limits.frame_counts().step + 0.5


def _is_open(wish: TimeWish) -> bool:
    return wish.num_frames is None and wish.duration_seconds is None


def fits_duration(num_frames: int, fps: float, seconds: float, limits: Limits) -> bool:
    """Say whether so many frames last `seconds`, up to the rounding of the frame rule."""
    slack = limits.frame_counts().step / 2
    return abs(num_frames - _frames_of(seconds, fps, limits)) <= slack


def seconds_of(num_frames: int, fps: float, limits: Limits) -> float:
    """Return how long so many frames last: with a rule such as 4n+1 the first stands at 0 seconds."""
    return round((num_frames - _first(limits)) / fps, 3)


def _frames_of(seconds: float, fps: float, limits: Limits) -> int:
    return round(seconds * fps) + _first(limits)


def _first(limits: Limits) -> int:
    return 0 if limits.frame_rule == "any" else 1


def _nearest(ideal: int, allowed: list[int]) -> int:
    return min(allowed, key=lambda count: (abs(count - ideal), -count))
