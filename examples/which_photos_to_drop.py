"""Which photos of a folder are too small, too blurred or too turned to compare faces? One row a photo, with the reason.

python examples/which_photos_to_drop.py PHOTOS [--eyes 30] [--turn 30]
"""

import argparse

import facevalue as fv


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos")
    parser.add_argument("--eyes", type=float, default=30, help="least distance between the eyes, px")
    parser.add_argument("--turn", type=float, default=30, help="largest turn of the head to a side, degrees")
    given = parser.parse_args()
    faces = fv.annotate(given.photos, instruments=["pose", "quality"])
    eyes, yaw = faces["quality.inter_eye"], faces["pose.yaw"]
    for i, path in enumerate(faces.path):
        if missing := (yaw.why[i] if yaw.why is not None else ""):
            print(f"drop {path}: {missing}")
        elif eyes.values[i] < given.eyes:
            print(f"drop {path}: eyes {eyes.values[i]:.0f} {eyes.unit} apart")
        elif abs(yaw.values[i]) > given.turn:
            print(f"drop {path}: turned by {yaw.values[i]:.0f} {yaw.unit}")
        else:
            print(f"keep {path}")


if __name__ == "__main__":
    main()
