"""Pictures of a data set: what stands in them."""

import numpy as np

from fer_video.learn.pictures import draw_samples
from tests.learn.faces import draw


def test_the_picture_of_samples_has_a_row_per_emotion_each_face_in_full() -> None:
    first, second = draw(3, 0), draw(3, 1)
    samples = {"happy": np.stack([first, second]), "fear": np.empty((0, 48, 48), np.uint8)}
    happy, fear = draw_samples(samples, {"happy": 1234, "fear": 0}).axes
    assert [text.get_text() for text in happy.texts] == ["happy", "1,234"]
    (shown,) = happy.images
    assert (shown.get_array()[:48, :48] == first).all()
    assert (shown.get_array()[:48, 51:99] == second).all()
    assert [text.get_text() for text in fear.texts] == ["fear", "0"]
    assert (fear.images[0].get_array() == 255).all()
