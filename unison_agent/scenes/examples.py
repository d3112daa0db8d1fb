"""Examples for the generator: a request, what the understanding model sees, and the pixels to learn.

One maker a task, drawn from the scenes. It knows no tensors and no models. The words of example `i` of
a pool follow from (seed, task, i) alone; the pixels may be drawn anew with another jitter every time.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unison_agent.adapters.frames import blank_levels
from unison_agent.scenes import sprites, words, world
from unison_agent.scenes.world import Pixels, Scene, Thing
from unison_agent.tasks import GenerationTask

SEEN_FRAMES = 4  # of a clip, as the understanding model samples it
RAMP = 15.0  # gray levels a frame, in the frames of a clip that are still to be made

Seen = tuple[Literal["image", "video"], NDArray[np.uint8]]
Clip = NDArray[np.uint8]
"""(T, 64, 64, 3)."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What example `i` says and shows; everything that must not change from one drawing to the next.

    Attributes:
        text: The request.
        scene: The scene to make.
        source: The scene that is given, where one is.
        detail: What the pixels need to know besides (map kind, edit kind, which frame is given).
    """

    text: str
    scene: Scene
    source: Scene | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Pixels of one example.

    Attributes:
        target: (T, 64, 64, 3).
        video: VACE's video input (T, 64, 64, 3), None when there is none.
        mask: (T, 64, 64) bool, True = to make; None when everything is.
        reference: (64, 64, 3), None when there is none.
        seen: Media for the understanding model.
    """

    target: Clip
    video: Clip | None = None
    mask: NDArray[np.bool_] | None = None
    reference: Pixels | None = None
    seen: tuple[Seen, ...] = ()


def spread(clip: Clip) -> Clip:
    """Return SEEN_FRAMES frames, evenly spread, first and last included."""
    return clip[np.linspace(0, len(clip) - 1, SEEN_FRAMES).round().astype(int)]


# --- wordings --------------------------------------------------------------------------------------


def wording(task: GenerationTask, rng: random.Random) -> Wording:
    """Return a random request of a task."""
    match task:
        case "text_to_image":
            scene = world.random_scene(rng)
            return Wording(words.image_request(rng, scene), scene)
        case "text_to_video":
            scene = _moving(rng)
            return Wording(words.video_request(rng, scene), scene)
        case "image_to_video":
            scene = _moving(rng)
            thing = next(t for t in scene.things if t.motion)
            which = rng.choices(("first", "last", "both"), (0.65, 0.2, 0.15))[0]
            text = words.animate_request(rng, thing, last=which == "last")
            return Wording(text, scene, detail=which)
        case "image_editing":
            return _edit(rng, world.random_scene(rng))
        case "video_editing":
            return _edit(rng, _moving(rng))
        case "image_controllable_generation" | "video_controllable_generation":
            scene = _moving(rng) if task.startswith("video") else world.random_scene(rng)
            kind = rng.choices(tuple(words.MAP_WORDS), (0.4, 0.1, 0.2, 0.15, 0.15))[0]
            return Wording(words.control_request(rng, scene, kind), scene, detail=kind)
        case "image_reference_generation" | "video_reference_generation":
            video = task.startswith("video")
            scene = world.random_scene(rng, count=1)
            if video:
                thing = replace(scene.things[0], motion=rng.choice(tuple(world.DIRECTIONS)))
                scene = replace(scene, things=(thing,))
            return Wording(words.reference_request(rng, scene, video=video), scene)


def _moving(rng: random.Random) -> Scene:
    return world.random_scene(rng, count=rng.choices((1, 2), (0.8, 0.2))[0], moving=True)


def _edit(rng: random.Random, source: Scene) -> Wording:
    """Return an edit of one thing, or of the ground, of `source`."""
    index = rng.randrange(len(source.things))
    old = source.things[index]
    where = f" {rng.choice(('on', 'at'))} the {old.place}" if rng.random() < 0.15 else ""
    known = f"the {old.color} {old.name}" if old.color and rng.random() < 0.3 else f"the {old.name}"
    kind = rng.choices(("recolor", "replace", "remove", "ground"), (0.35, 0.35, 0.15, 0.15))[0]
    if kind == "recolor" and old.color is None:
        kind = "replace"
    if kind == "ground":
        used = {t.color for t in source.things} | {source.background}
        color = rng.choice([c for c in sprites.COLORS if c not in used])
        text = rng.choice(
            ("make the background {}", "change the background to {}", "turn the background {}", "give it {a} {} background")
        ).format(color, a=words.article(color))  # fmt: skip
        return Wording(text, replace(source, background=color), source, f"ground {index}")
    if kind == "remove":
        things = tuple(t for i, t in enumerate(source.things) if i != index)
        text = rng.choice(("remove {}", "erase {}", "take {} away", "delete {}", "get rid of {}"))
        return Wording(text.format(known + where), replace(source, things=things), source, f"remove {index}")  # fmt: skip
    if kind == "recolor":
        used = {old.color, source.background}
        color = rng.choice([c for c in sprites.COLORS if c not in used])
        new = replace(old, color=color)
        text = rng.choice(
            ("turn {k} {c}", "make {k} {c}", "Turn {k} {c}", "change {k} to {c}", "color {k} {c}", "paint {k} {c}", "recolor {k} to {c}")
        ).format(k=known + where, c=color)  # fmt: skip
    else:
        name, color = world.random_look(rng, source.background)
        new = world.make_thing(rng, name, color, old.size, old.place, old.motion)
        new = replace(new, x=old.x, y=old.y)
        noun = f"{color} {name}" if color else name
        text = rng.choice(
            ("replace {k} with {a} {n}", "replace {k} by {a} {n}", "turn {k} into {a} {n}", "swap {k} for {a} {n}", "change {k} into {a} {n}", "put {a} {n} in place of {k}")
        ).format(k=known + where, a=words.article(noun), n=noun)  # fmt: skip
    things = tuple(new if i == index else t for i, t in enumerate(source.things))
    return Wording(text, replace(source, things=things), source, f"{kind} {index}")


# --- drawings ---------------------------------------------------------------------------------------


def drawing(task: GenerationTask, said: Wording, rng: random.Random, num_frames: int) -> Drawing:
    """Draw an example; `rng` moves what words leave open by a pixel or two."""
    match task:
        case "text_to_image":
            return Drawing(world.draw(world.jittered(rng, said.scene))[None])
        case "text_to_video":
            clip = world.draw_clip(world.jittered(rng, said.scene), num_frames)
            return Drawing(clip, _blank(num_frames))
        case "image_to_video":
            return _frames_given(world.jittered(rng, said.scene), said.detail, num_frames)
        case "image_editing":
            return _edited(said, rng, num_frames=1)
        case "video_editing":
            return _edited(said, rng, num_frames=num_frames)
        case "image_controllable_generation":
            scene = world.jittered(rng, said.scene)
            control = _control(scene, said.detail, 0)
            return Drawing(world.draw(scene)[None], control[None], seen=(("image", control[None]),))
        case "video_controllable_generation":
            scene = world.jittered(rng, said.scene)
            control = np.stack([_control(scene, said.detail, f) for f in range(num_frames)])
            seen = ("video", spread(control))
            return Drawing(world.draw_clip(scene, num_frames), control, seen=(seen,))
        case "image_reference_generation" | "video_reference_generation":
            scene = world.jittered(rng, said.scene)
            thing = scene.things[0]
            side = 40 + rng.choice((-2, 0, 2))
            middle = world.CANVAS // 2
            shown = replace(thing, x=middle, y=middle, side=side, motion=None)
            reference = world.draw(Scene("white", (shown,), 10))
            frames = num_frames if thing.motion else 1
            video = _blank(num_frames) if thing.motion else None
            target = world.draw_clip(scene, frames)
            return Drawing(target, video, reference=reference, seen=(("image", reference[None]),))


def _blank(num_frames: int) -> Clip:
    """Return frames to be made: a gray that says by its level how late a frame is."""
    levels = blank_levels(num_frames, RAMP)
    blank = np.empty((num_frames, world.CANVAS, world.CANVAS, 3), np.uint8)
    blank[:] = np.array(levels, np.uint8)[:, None, None, None]
    return blank


def _ending(scene: Scene, num_frames: int) -> Scene:
    """Return the scene with things moved back so that the last frame shows them at their place."""
    way = (num_frames - 1) * world.SPEED

    def back(thing: Thing) -> Thing:
        if thing.motion is None:
            return thing
        dx, dy = world.DIRECTIONS[thing.motion]
        return replace(thing, x=thing.x - dx * way, y=thing.y - dy * way)

    return replace(scene, things=tuple(back(t) for t in scene.things))


def _frames_given(scene: Scene, which: str, num_frames: int) -> Drawing:
    # The words' place is that of the given frame.
    start = _ending(scene, num_frames) if which == "last" else scene
    clip = world.draw_clip(start, num_frames)
    video = _blank(num_frames)
    mask = np.ones(clip.shape[:3], np.bool_)
    seen: list[Seen] = []
    for frame in {"first": (0,), "last": (-1,), "both": (0, -1)}[which]:
        video[frame] = clip[frame]
        mask[frame] = False
        seen.append(("image", clip[frame][None]))
    return Drawing(clip, video, mask, seen=tuple(seen))


def _edited(said: Wording, rng: random.Random, num_frames: int) -> Drawing:
    """Draw source, target and mask alike moved; the mask is a padded box, or all but the things."""
    assert said.source is not None
    kind, index = said.detail.split()
    old = said.source.things[int(index)]
    dx, dy, tint = rng.randint(-2, 2), rng.randint(-2, 2), rng.randint(-4, 4)

    def moved(scene: Scene) -> Scene:
        things = tuple(
            replace(t, x=t.x + dx, y=t.y + dy) if (t.x, t.y) == (old.x, old.y) else t
            for t in scene.things
        )
        return replace(scene, things=things, tint=tint)

    source, scene = moved(said.source), moved(said.scene)
    given = world.draw_clip(source, num_frames)
    target = world.draw_clip(scene, num_frames)
    masks: list[NDArray[np.bool_]] = []
    pad = rng.randint(2, 5)
    for frame in range(num_frames):
        if kind == "ground":
            things = np.zeros((world.CANVAS, world.CANVAS), np.bool_)
            for i in range(len(source.things)):
                things |= world.coverage(source, i, frame)
            masks.append(~things)
        else:
            changed = world.coverage(source, int(index), frame)
            if kind != "remove":
                changed = changed | world.coverage(scene, int(index), frame)
            masks.append(world.box_mask(changed, pad))
    mask = np.stack(masks)
    # What lies outside the mask is kept from the source by the adapter as well.
    target = np.where(mask[..., None], target, given)
    seen: Seen = ("image", given) if num_frames == 1 else ("video", spread(given))
    return Drawing(target, given, mask, seen=(seen,))


def _control(scene: Scene, kind: str, frame: int) -> Pixels:
    picture = world.draw(scene, frame)
    makers: dict[str, Callable[[], Pixels]] = {
        "canny": lambda: world.edge_map(picture),
        "scribble": lambda: 255 - world.edge_map(picture),
        "depth": lambda: world.depth_map(scene, frame),
        "layout": lambda: world.layout_map(scene, frame),
        "gray": lambda: world.gray_map(picture),
    }
    return makers[kind]()
