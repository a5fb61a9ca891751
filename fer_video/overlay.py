"""What is drawn on a picture for each face: a box, a label, and a panel with a bar per emotion."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.metadata import distribution
from typing import NamedTuple

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from fer_video.canvas import Canvas, Coding, Patch, Rect
from fer_video.colors import color_of
from fer_video.labels import Language, display_name
from fer_video.types import Box
from fer_video.wording import percent

FONT_SHARE = 0.0205
"""Size of the letters as a share of the picture's shorter side: 22 px in a 1080p picture."""
LEAST_FONT_PX = 11
LARGEST_PANEL = 1.6
"""Height of a panel in heights of its face: a larger one would hide more than it tells."""
_KEPT = 1.25
"""By how much more it may be too large, or hide, once it is there: boxes tremble, and panels should
not."""
_MOST_HIDDEN = 0.3
"""Share of a panel that may lie on other faces, labels and panels, and of its own face that may lie
below it: in a crowd there may be no better place, and then the label has to do."""
_WORSE_PLACE = 0.1
"""Share of a panel that may hide something before it leaves a place that it has."""

_DARK, _LIGHT = "#101214", "#FFFFFF"
_PANEL_GROUND, _BAR_GROUND = f"{_DARK}B8", "#54585CB8"


class Face(NamedTuple):
    """A face as the timeline has it."""

    box: Box
    track: int
    emotion: str
    confidence: float
    probabilities: tuple[float, ...]
    """In the order of the timeline's emotions."""


class Overlay:
    """Draws faces on the pictures of one recording, in their order and in one language."""

    def __init__(
        self,
        size_px: tuple[int, int],
        emotions: Sequence[str],
        language: Language,
        note: str = "",
    ) -> None:
        """Prepare what stays the same.

        Args:
            size_px: Width and height of the pictures.
            emotions: In the order of the probabilities.
            language: Of names and numbers.
            note: Stands in the lower left corner of every picture.
        """
        self._size_px = size_px
        self._emotions = tuple(emotions)
        self._language = language
        self._note = note
        self._places: dict[int, int] = {}
        """Where beside its face each track had its panel in the last picture."""
        font_px = max(LEAST_FONT_PX, round(FONT_SHARE * min(size_px)))
        self._font = font(font_px)
        self._line_px = max(2, _even(font_px / 7))
        names = tuple(display_name(emotion, language) for emotion in emotions)
        self._panel = _Panel(names, max(LEAST_FONT_PX - 1, round(0.85 * font_px)), self._tag_px)
        # neighbouring frames often show the same text
        self._tag = lru_cache(maxsize=256)(self._render_tag)

    def draw(self, canvas: Canvas, faces: Iterable[Face]) -> None:
        """Draw all faces of one picture."""
        shown = [(face, self._rect(face.box)) for face in faces]
        labels = [self._label(rect, face, canvas.coding) for face, rect in shown]
        self._draw_panels(canvas, shown, [place for _, place in labels])
        # on top of the panels: a box and its name are what must never be hidden
        for (face, rect), (label, place) in zip(shown, labels, strict=True):
            self._draw_outline(canvas, rect, color_of(face.emotion))
            canvas.paste(label, *place[:2])
        if self._note:
            note = self._tag(self._note, _DARK, canvas.coding)
            canvas.paste(note, *self._inside(0, self._size_px[1], *note.size_px)[:2])

    def _draw_panels(
        self, canvas: Canvas, shown: Sequence[tuple[Face, Rect]], labels: Sequence[Rect]
    ) -> None:
        taken = [*(rect for _, rect in shown), *labels]
        places = {}
        for face, rect in shown:
            before = self._places.get(face.track)
            largest = LARGEST_PANEL * (1 if before is None else _KEPT)
            if self._panel.size_px[1] > largest * (rect[3] - rect[1]):
                continue
            chosen, place = self._panel_place(rect, taken, before)
            if self._is_crowded(place, rect, taken, before):
                continue
            places[face.track] = chosen
            taken.append(place)
            self._panel.draw(canvas, place, self._emotions, face.probabilities)
            tag = self._tag(f"#{face.track}", color_of(face.emotion), canvas.coding)
            canvas.paste(tag, *place[:2])
        self._places = places

    def _is_crowded(
        self, place: Rect, face: Rect, taken: Sequence[Rect], before: int | None
    ) -> bool:
        """Whether a panel would hide too much of its face, or of what belongs to others."""
        most = _MOST_HIDDEN * (1 if before is None else _KEPT)
        of_face = _overlap(place, face)
        of_others = sum(_overlap(place, other) for other in taken) - of_face
        return of_face > most * _area(face) or of_others > most * _area(place)

    def _rect(self, box: Box) -> Rect:
        """Snap a box to the even pixels of the chroma planes, inside the picture."""
        width, height = self._size_px
        left, right = (_even(min(max(0.0, x), width)) for x in (box.left, box.right))
        top, bottom = (_even(min(max(0.0, y), height)) for y in (box.top, box.bottom))
        return left, top, right, bottom

    def _panel_place(
        self, face: Rect, taken: Sequence[Rect], before: int | None
    ) -> tuple[int, Rect]:
        """Choose a place beside a face: right, left or below; one that hides nothing else.

        That of the picture ``before`` is kept as long as it is hardly worse.
        """
        width, height = self._panel.size_px
        gap = 2 * self._line_px
        corners = [
            (face[2] + gap, face[1]),
            (face[0] - gap - width, face[1]),
            (face[0], face[3] + gap),
        ]
        places = [self._inside(left, top, width, height) for left, top in corners]
        hidden = [sum(_overlap(place, other) for other in taken) for place in places]
        chosen = hidden.index(min(hidden))
        if before is not None and hidden[before] <= min(hidden) + _WORSE_PLACE * width * height:
            chosen = before
        return chosen, places[chosen]

    def _inside(self, left: int, top: int, width: int, height: int) -> Rect:
        """Move a rectangle so that it lies inside the picture."""
        left = _even(max(0, min(left, self._size_px[0] - width)))
        top = _even(max(0, min(top, self._size_px[1] - height)))
        return left, top, left + width, top + height

    def _draw_outline(self, canvas: Canvas, rect: Rect, color: str) -> None:
        left, top, right, bottom = rect
        line = self._line_px
        canvas.fill((left, top, right, top + line), color)
        canvas.fill((left, bottom - line, right, bottom), color)
        canvas.fill((left, top, left + line, bottom), color)
        canvas.fill((right - line, top, right, bottom), color)

    def _label(self, rect: Rect, face: Face, coding: Coding) -> tuple[Patch, Rect]:
        """Prepare what is said of a face, and the place for it."""
        name = display_name(face.emotion, self._language)
        text = f"#{face.track}  {name} {percent(face.confidence, self._language)}"
        label = self._tag(text, color_of(face.emotion), coding)
        width, height = label.size_px
        # above the box, or where the picture ends, just inside it
        return label, self._inside(rect[0], rect[1] - height, width, height)

    @property
    def _tag_px(self) -> int:
        """Height of a line of text with its ground."""
        return _even(1.5 * self._font.size)

    def _render_tag(self, text: str, color: str, coding: Coding) -> Patch:
        pad_px = 0.35 * self._font.size
        width, height = _even(self._font.getlength(text) + 2 * pad_px), self._tag_px
        image = Pillow.new("RGBA", (width, height), color)
        draw = ImageDraw.Draw(image)
        draw.text((pad_px, height / 2), text, _ink(color), self._font, anchor="lm")
        return Patch.of(np.asarray(image), coding)


class _Panel:
    """Names of the emotions, each with a bar as long as its probability, below a free line."""

    def __init__(self, names: Sequence[str], font_px: int, free_px: int) -> None:
        self._names = names
        self._free_px = free_px
        self._font = font(font_px)
        self._pad_px = _even(0.6 * font_px)
        self._row_px = _even(1.35 * font_px)
        self._bar_px = _even(5 * font_px)
        longest = max(self._font.getlength(name) for name in names)
        self._bars_left = 2 * self._pad_px + _even(longest)
        self.size_px = (
            self._bars_left + self._bar_px + self._pad_px,
            free_px + self._row_px * len(names) + 2 * self._pad_px,
        )
        # all but the bars stays the same: it is rendered once
        self._ground = lru_cache(maxsize=None)(self._render_ground)

    def draw(
        self, canvas: Canvas, place: Rect, emotions: Sequence[str], probabilities: Sequence[float]
    ) -> None:
        left, top, _, _ = place
        canvas.paste(self._ground(canvas.coding), left, top)
        for row, (emotion, probability) in enumerate(zip(emotions, probabilities, strict=True)):
            x0, y0, _, y1 = self._bar(row)
            x1 = x0 + _even(self._bar_px * probability)
            canvas.fill((left + x0, top + y0, left + x1, top + y1), color_of(emotion))

    def _bar(self, row: int) -> Rect:
        """Give the place of a full bar on the panel."""
        top = self._free_px + self._pad_px + row * self._row_px + _even(0.2 * self._row_px)
        bottom = top + _even(0.55 * self._row_px)
        return self._bars_left, top, self._bars_left + self._bar_px, bottom

    def _render_ground(self, coding: Coding) -> Patch:
        image = Pillow.new("RGBA", self.size_px, f"{_DARK}00")
        draw = ImageDraw.Draw(image)
        box = (0, 0, self.size_px[0] - 1, self.size_px[1] - 1)
        draw.rounded_rectangle(box, radius=self._pad_px / 2, fill=_PANEL_GROUND)
        for row, name in enumerate(self._names):
            left, top, right, bottom = self._bar(row)
            draw.rectangle((left, top, right - 1, bottom - 1), fill=_BAR_GROUND)
            draw.text((self._pad_px, (top + bottom) / 2), name, _LIGHT, self._font, anchor="lm")
        return Patch.of(np.asarray(image), coding)


@lru_cache(maxsize=8)
def font(size_px: int) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans from the files of matplotlib, which is not imported for it.

    The font inside Pillow has no accents, and what a system has is not the same everywhere.
    """
    file = distribution("matplotlib").locate_file("matplotlib/mpl-data/fonts/ttf/DejaVuSans.ttf")
    return ImageFont.truetype(str(file), size_px)


def _even(value: float) -> int:
    """Round to whole pixels of the chroma planes."""
    return 2 * round(value / 2)


def _area(rect: Rect) -> int:
    return _overlap(rect, rect)


def _overlap(one: Rect, other: Rect) -> int:
    """Give the area in pixels that two rectangles share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0, width) * max(0, height)


def _ink(ground: str) -> str:
    """Choose dark or light letters, whichever reads better on a hex colour."""
    red, green, blue = bytes.fromhex(ground.removeprefix("#"))
    return _DARK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 115 else _LIGHT
