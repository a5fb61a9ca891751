"""The commands; nothing else. Libraries are imported in the bodies, so that --help is instant."""

from fer_video.cli import analysis, learning, models, results
from fer_video.cli.app import app

__all__ = ["analysis", "app", "learning", "models", "results"]
