"""The emotion vocabulary: its order, its names in other languages, and how data sets spell it."""

import re
import unicodedata
from typing import Literal

from fer_video.errors import OptionError

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The seven emotions in the order of FER2013's label numbers, 0 to 6."""

FERPLUS_VOTES = (
    "neutral", "happiness", "surprise", "sadness", "anger",
    "disgust", "fear", "contempt", "unknown", "NF",
)  # fmt: skip
"""Vote columns of ``fer2013new.csv`` in file order; ``NF`` is "not a face".

Source: Barsoum, Zhang, Canton Ferrer and Zhang, "Training Deep Networks for Facial Expression
Recognition with Crowd-Sourced Label Distribution", ICMI 2016.
"""

FERPLUS_COLUMN_OF = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprise": "surprise",
    "neutral": "neutral",
}
"""The FER+ vote column that means each emotion."""

Language = Literal["en", "fr"]

_FRENCH = {
    "angry": "colère",
    "disgust": "dégoût",
    "fear": "peur",
    "happy": "joie",
    "sad": "tristesse",
    "surprise": "surprise",
    "neutral": "neutre",
}


def display_name(emotion: str, language: Language = "en") -> str:
    """Name an emotion as people read it.

    Raises:
        OptionError: The language is not one of ``en`` and ``fr``.

    >>> display_name("disgust", "fr")
    'dégoût'
    """
    if language == "en":
        return emotion
    if language == "fr":
        return _FRENCH.get(emotion, emotion)
    raise OptionError(f"unknown language {language!r}: choose en or fr")


def plain(name: str) -> str:
    """Reduce a name to what tells it from others: no accents, case, spaces, dashes or underscores.

    An accent may be part of its letter or, as macOS writes file names, stand after it.

    >>> plain("Public_Test"), plain("Cole\u0300re")
    ('publictest', 'colere')
    """
    # NFKD sets every accent after its letter, where [^\W_] no longer matches it
    return "".join(re.findall(r"[^\W_]", unicodedata.normalize("NFKD", name))).casefold()


_SYNONYMS = {
    "angry": ("anger", "en colère", "fâché"),
    "disgust": ("disgusted", "dégoûté"),
    "fear": ("afraid", "fearful", "scared", "effrayé"),
    "happy": ("happiness", "joy", "joyful", "heureux", "joyeux"),
    "sad": ("sadness", "triste"),
    "surprise": ("surprised", "surpris"),
    "neutral": (),
}
"""How else data sets call an emotion. No numbers: they mean other emotions in RAF-DB."""

_EMOTION_OF_NAME = {
    plain(name): emotion
    for emotion, synonyms in _SYNONYMS.items()
    for name in (emotion, _FRENCH[emotion], *synonyms)
}


def emotion_named(name: str) -> str | None:
    """Find the emotion that a data set means by a name in English or French.

    >>> emotion_named("Happiness"), emotion_named("COLÈRE"), emotion_named("contempt")
    ('happy', 'angry', None)
    """
    return _EMOTION_OF_NAME.get(plain(name))
