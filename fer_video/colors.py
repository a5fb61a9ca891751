"""One colour per emotion, the same in plots and in annotated recordings."""

EMOTION_COLORS = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
    "neutral": "#BBBBBB",
}
"""Hex RGB; a colour-blind reader tells the seven apart.

The gray is light on purpose: at the lightness of ``fear`` or ``disgust`` it would be their twin
to a reader without green cones.

Source: Okabe and Ito, "Color Universal Design", 2008, for the colours; Paul Tol, "Colour
Schemes", SRON/EPS/TN/09-002, 2021, "bright" scheme, for the gray.
"""

_UNLISTED = "#F0E442"  # the yellow of Okabe and Ito: no emotion above has it


def color_of(emotion: str) -> str:
    """Give the hex colour of an emotion; one yellow for all that a model adds to the seven.

    >>> color_of("sad"), color_of("contempt")
    ('#0072B2', '#F0E442')
    """
    return EMOTION_COLORS.get(emotion, _UNLISTED)
