"""How long did each person show each emotion? Seconds per track and emotion.

python examples/seconds_per_emotion.py timeline.parquet
"""

import sys

from fer_video import read_timeline

table = read_timeline(sys.argv[1])

# a row counts until the next sampled frame: right at variable frame rates, too;
# where that is long in coming, the recording was paused
moments = table["time_s"].drop_duplicates()
until_next_s = moments.diff().shift(-1).fillna(0).set_axis(moments)
shown_s = until_next_s.clip(upper=max(5.0, 2 * until_next_s.median()))
table["seconds"] = table["time_s"].map(shown_s)

faces = table.dropna(subset=["track"])
print(faces.pivot_table("seconds", "track", "emotion", aggfunc="sum", fill_value=0).round(2))
