"""A small vocabulary for tests of pictures: what a reader can make out in a figure."""

from itertools import combinations

from matplotlib.figure import Figure
from matplotlib.text import Text


def texts(figure: Figure) -> list[Text]:
    """Find every text that is drawn, in the figure as it is laid out."""
    figure.draw_without_rendering()
    hidden = {
        tick.label1
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
    }
    found = [text for text in figure.findobj(Text) if text.get_visible() and text not in hidden]
    return [text for text in found if text.get_text().strip()]


def unreadable(figure: Figure) -> list[str]:
    """Name what is too small, leaves the picture, or lies on something else."""
    shown = texts(figure)
    boxes = {text: text.get_window_extent() for text in shown}
    page = figure.bbox
    faults = [f"{text.get_text()} is small" for text in shown if text.get_fontsize() < 8]
    faults += [
        f"{text.get_text()} is cut off"
        for text, box in boxes.items()
        if box.x0 < page.x0 or box.y0 < page.y0 or box.x1 > page.x1 or box.y1 > page.y1
    ]
    # the boxes of slanted names overlap though the names do not
    upright = [text for text in shown if text.get_rotation() % 90 == 0]
    faults += [
        f"{one.get_text()} lies on {other.get_text()}"
        for one, other in combinations(upright, 2)
        if boxes[one].overlaps(boxes[other])
    ]
    faults += [
        f"the legend lies on {axes.get_title('left') or 'the panel'}"
        for axes in figure.axes
        if (legend := axes.get_legend()) and legend.get_window_extent().overlaps(axes.bbox)
    ]
    return faults
