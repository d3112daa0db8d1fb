"""Words and phrases for requests about icon scenes; data only."""

SHAPES = (
    "circle", "square", "triangle", "star", "heart", "diamond", "ring", "cross", "hexagon",
    "pentagon", "oval", "crescent", "arrow",
)  # fmt: skip
ICONS = (
    "cat", "dog", "lion", "rocket", "apple", "fish", "tree", "house", "car", "bird", "flower",
    "moon", "sun", "banana", "boat", "bus", "butterfly", "cherry", "cloud", "crab", "crown",
    "cupcake", "duck", "elephant", "fox", "frog", "ghost", "guitar", "key", "ladybug", "leaf",
    "lemon", "monkey", "mushroom", "owl", "panda", "pear", "penguin", "pig", "pizza", "rabbit",
    "robot", "snail", "snowman", "strawberry", "tiger", "train", "turtle", "umbrella", "whale",
    "airplane", "balloon", "bear", "bee", "bicycle", "bell", "candle", "carrot", "cow",
    "dolphin", "grapes", "hat", "horse",
)  # fmt: skip
COLOURS = (
    "red", "green", "blue", "yellow", "orange", "purple", "pink", "black", "white", "gray",
    "brown", "cyan", "teal", "navy", "gold", "lime", "magenta",
)  # fmt: skip
PLACES = (
    "at the left", "on the left", "on the right", "at the right", "at the top", "at the bottom",
    "in the center", "in the middle", "in the top left corner", "in the top right",
    "at the bottom left", "in the bottom right corner", "in the centre", "at the top right",
    "upper left", "lower right", "on the left side", "near the bottom",
)  # fmt: skip
SIZES = (
    "small", "big", "large", "tiny", "huge", "little", "medium", "giant",
)  # fmt: skip
DIRECTIONS = (
    "left", "right", "up", "down",
)  # fmt: skip
MOTIONS = (
    "moving {d}", "moving to the {d}", "sliding {d}", "going {d}", "drifting {d}", "flying {d}",
    "that moves {d}", "floating {d}", "gliding {d}", "which slides {d}", "travelling {d}",
    "shifting slowly {d}", "moving {d} slowly", "that goes {d}",
)  # fmt: skip
VERBS = (
    "move", "slide", "go", "fly", "drift", "float", "glide", "travel", "roll",
)  # fmt: skip
NUMBER_WORDS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 8: "eight", 9: "nine", 12: "twelve"}  # fmt: skip
MAPS: tuple[tuple[str | None, tuple[str, ...]], ...] = (
    ("canny", ("edges", "edges", "edge map", "canny edges", "edge image")),
    ("canny", ("edges", "edges", "contours", "outlines")),
    ("scribble", ("sketch", "scribble", "doodle", "rough sketch", "line drawing")),
    ("depth", ("depth map", "depth", "depth image")),
    ("layout", ("layout", "layout boxes", "boxes", "bounding boxes")),
    ("gray", ("grayscale image", "gray picture", "greyscale version")),
    ("pose", ("pose", "skeleton", "pose map")),
    ("normal", ("normal map", "normals")),
)
IMAGE_QUESTIONS = (
    "what colour is the {x}?", "what color is the {x}?", "which colour does the {x} have?", "how many shapes are there?",
    "how many {x}s do you see?", "what is in this {n}?", "what's this?", "describe this {n}", "describe the {n}",
    "where is the {x}?", "is the {x} {p}?", "is there a {x} in the {n}?", "what is the background colour?",
    "what colour is the background?", "is the {x} {c}?", "which shape is {p}?", "what do you see?", "what is {p}?",
    "is the {x} bigger than the {o}?", "name the objects in this {n}", "caption this {n}", "what is the largest object?",
    "count the objects", "which is on the left, the {x} or the {o}?", "write a sentence about this {n}",
    "is it a {x} or a {o}?", "what object is shown?", "tell me what this {n} shows", "is the {x} above the {o}?",
    "could you say what colours are used?", "does the {n} show a {x}?", "what shape is the {c} thing?",
)  # fmt: skip
VIDEO_QUESTIONS = (
    "which way does the {x} move?", "in which direction is the {x} moving?", "what happens in this clip?",
    "what happens in the video?", "does the {x} move {d} or stay?", "where does the {x} end up?", "what moves?",
    "describe the motion", "describe this clip", "what colour is the {x} in this clip?", "is anything moving?",
    "does the {x} go {d}?", "how does the {x} move?", "what is moving in this video?", "does it move up or down?",
    "which object moves, the {x} or the {o}?", "summarise the video", "where does the {x} start?",
)  # fmt: skip
PAIR_QUESTIONS = (
    "what is the difference between these two pictures?", "are {{m0}} and {{m1}} the same?",
    "which of the two has a {c} background?", "compare {{m0}} with {{m1}}", "is the {x} in both images?",
    "in which picture is the {x} bigger?", "what changed from the first image to the second?",
)  # fmt: skip
TEXT_QUESTIONS = (
    "what is a {x}?", "how many sides does a triangle have?", "how many corners has a hexagon?", "name {n} colours",
    "which colour do you get from {c} and {d}?", "write a short poem about a {i}", "tell me a joke about a {i}",
    "what does a {i} eat?", "what sound does a {i} make?", "what's {n} times {n}?", "is {c} a warm colour?",
    "what is the opposite of left?", "explain what an icon is", "tell me a fact about the {i}", "what is {n} plus 7?",
    "who invented the video camera?", "what is the plural of {i}?", "what does {c} stand for?", "how do I draw a {i}?",
    "what is the difference between a {x} and a {o}?", "spell {i}", "how many frames are in 2 seconds at 8 fps?",
    "give me ideas for a logo with a {i}", "what is 64 by 64 in pixels?", "write a caption for a picture of a {i}",
    "translate {i} into French", "what rhymes with {c}?", "hello", "who are you?", "what can you do?",
)  # fmt: skip
