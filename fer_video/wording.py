"""Numbers as people say them."""

from fer_video.labels import Language


def counted(number: int, noun: str) -> str:
    """Say how many.

    >>> counted(1, "track"), counted(2000, "frame")
    ('1 track', '2,000 frames')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def sized(n_bytes: int) -> str:
    """Say how large.

    >>> sized(900), sized(312_400_000), sized(41_230_000_000)
    ('0.0 MB', '312.4 MB', '41.2 GB')
    """
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"


def span(seconds: float) -> str:
    """Say how long, in at most two units.

    >>> span(45), span(200), span(40_000), span(500_000)
    ('45 s', '3 min', '11 h 6 min', '5 d 18 h')
    """
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    if minutes < 1:
        return f"{max(0, round(seconds))} s"
    if hours < 1:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} min"
    return f"{hours // 24} d {hours % 24} h"


def clock(seconds: float) -> str:
    """Write a time as players show it.

    >>> clock(5025.7)
    '1:23:45'
    """
    minutes, left_s = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{left_s:02}"


def decimal(number: float, language: Language) -> str:
    """Write a number in as few digits as it needs, with the language's decimal mark.

    >>> decimal(0.5, "en"), decimal(0.5, "fr"), decimal(2.0, "fr")
    ('0.5', '0,5', '2')
    """
    return f"{number:g}" if language == "en" else f"{number:g}".replace(".", ",")


def percent(share: float, language: Language) -> str:
    """Write a share of 1 in percent, as the language does.

    >>> percent(0.873, "en"), percent(0.873, "fr")
    ('87%', '87\\xa0%')
    """
    return f"{share:.0%}" if language == "en" else f"{100 * share:.0f}\xa0%"


def smoothed(seconds: float, language: Language) -> str:
    """Say that what is shown is a moving average.

    >>> smoothed(0.5, "fr")
    'moyenne mobile centrée sur 0,5 s'
    """
    words = "centred moving average over" if language == "en" else "moyenne mobile centrée sur"
    return f"{words} {decimal(seconds, language)} s"
