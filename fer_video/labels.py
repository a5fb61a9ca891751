"""The emotion vocabulary: its order, its names in other languages, and how data sets spell it."""

import re
import unicodedata
from typing import Literal

from fer_video.errors import OptionError

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The seven emotions in the order of FER2013's label numbers, 0 to 6."""

EMOTION_SETS: dict[int, tuple[str, ...]] = {
    6: tuple(emotion for emotion in EMOTIONS if emotion != "disgust"),
    7: EMOTIONS,
    8: (*EMOTIONS, "contempt"),
}
"""What a net can be taught to tell apart, by the number of emotions.

Six, because disgust is rare: 1.5 % of FER2013. Eight, because FER+ voters could choose contempt.
"""

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
    "contempt": "contempt",
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
    "contempt": "mépris",
}


def emotions_of_count(count: int) -> tuple[str, ...]:
    """Give the emotions that ``--emotions`` asks for by their number.

    Raises:
        OptionError: There is no such set of emotions.

    >>> emotions_of_count(6)
    ('angry', 'fear', 'happy', 'sad', 'surprise', 'neutral')
    """
    if count not in EMOTION_SETS:
        raise OptionError(f"--emotions must be 6, 7 or 8, got {count}")
    return EMOTION_SETS[count]


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
    "contempt": ("contemptuous", "scorn", "scornful", "méprisant", "dédain"),
}
"""How else data sets call an emotion. No numbers: they mean other emotions in RAF-DB."""

_EMOTION_OF_NAME = {
    plain(name): emotion
    for emotion, synonyms in _SYNONYMS.items()
    for name in (emotion, _FRENCH[emotion], *synonyms)
}


def emotion_named(name: str) -> str | None:
    """Find which of the eight emotions a data set means by a name in English or French.

    >>> emotion_named("Happiness"), emotion_named("COLÈRE"), emotion_named("boredom")
    ('happy', 'angry', None)
    """
    return _EMOTION_OF_NAME.get(plain(name))
