"""When does someone smile for the first time? Stops reading there: moments are lazy.

python examples/first_smile.py consult.mp4
"""

import sys

from fer_video import moments
from fer_video.labels import EMOTIONS

HAPPY = EMOTIONS.index("happy")

for moment in moments(sys.argv[1]):
    smiling = [seen for seen in moment.observations if seen.probabilities[HAPPY] > 0.5]
    if smiling:
        print(f"track {smiling[0].face.track_id} smiles at {moment.time_s:.2f} s")
        break
else:
    print("nobody smiles")
