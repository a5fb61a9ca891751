"""``python -m fer_video`` is the command ``fer-video``."""

from fer_video.cli import app

if __name__ == "__main__":
    app(prog_name="fer-video")
