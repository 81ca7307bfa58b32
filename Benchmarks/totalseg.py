#!/usr/bin/env python3
"""Runs microtome totalseg and TotalSegmentator side by side on the same image and prints a table: seconds, memory, agreement.

Whole processes are timed from start to exit; see measurement.py. Both use the weights in DATA/totalseg/weights. For a
folder of images TotalSegmentator is started once for each, as it has no other way. "outside" are the seconds of a process
in which it was not sliding a network over an image: start-up, files, resampling, post-processing.

    python3 -m venv /tmp/rival && /tmp/rival/bin/pip install TotalSegmentator
    Benchmarks/totalseg.py --rival /tmp/rival --data ../shared/data
"""
import argparse, json, os, re, statistics, subprocess, tempfile
from pathlib import Path

from measurement import measure

COMPARE = """
import sys, json, nibabel as nib, numpy as np
a, b = (nib.load(path) for path in sys.argv[1:])
assert a.shape == b.shape and np.array_equal(a.affine, b.affine), "the grids differ"
a, b = np.asarray(a.dataobj), np.asarray(b.dataobj)
dice = [2 * int(((a == l) & (b == l)).sum()) / (int((a == l).sum()) + int((b == l).sum())) for l in np.union1d(a, b) if l]
print(json.dumps([min(dice, default=1.0), int((a != b).sum())]))
"""

# TotalSegmentator as it is, but for a clock around nnU-Net's sliding window; appends the seconds to a file.
CLOCKED = """
import sys, time
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from totalsegmentator.bin.TotalSegmentator import main
clock, slide = sys.argv.pop(1), nnUNetPredictor.predict_sliding_window_return_logits
def clocked(*arguments, **named):
    start = time.perf_counter()
    try:
        return slide(*arguments, **named)
    finally:
        with open(clock, "a") as file:
            print(time.perf_counter() - start, file=file)
nnUNetPredictor.predict_sliding_window_return_logits = clocked
if __name__ == "__main__":
    main()
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rival", type=Path, required=True, help="a virtual environment with TotalSegmentator")
    parser.add_argument("--data", type=Path, required=True, help="the folder with totalseg/images and totalseg/weights")
    parser.add_argument("--microtome", type=Path, default=Path(".build/release/microtome"))
    parser.add_argument("--repeats", type=int, default=1, help="runs of each; the median counts")
    parser.add_argument("--only", help="only rows whose name contains this")
    parser.add_argument("--precisions", default="fp32", help="comma-separated: fp32,bf16")
    arguments = parser.parse_args()
    data = arguments.data.resolve() / "totalseg"
    image = data / "images/example_ct.nii.gz"
    # name, arguments of both, number of images
    rows = [
        ("total --fast", ["--fast"], 1),
        ("total --fastest", ["--fastest"], 1),
        ("total --fast, liver and right kidney", ["--fast", "--roi_subset", "liver", "kidney_right"], 1),
        ("total --fast, folder of 5", ["--fast"], 5),
        ("total", [], 1),
    ]
    print("| case | rival s | ours s | times | rival outside s | ours outside s | rival MiB | ours MiB | lowest Dice "
          "| voxels differing |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        environment = dict(os.environ, TOTALSEG_WEIGHTS_PATH=str(data / "weights"), TOTALSEG_HOME_DIR=str(work / "home"))
        (work / "home").mkdir()
        (work / "home/config.json").write_text(json.dumps(
            {"totalseg_id": "totalseg_BENCHMRK", "send_usage_stats": False, "prediction_counter": 0}))
        clocked, clock, log = work / "clocked.py", work / "clock", work / "log"
        clocked.write_text(CLOCKED)
        rival = [arguments.rival / "bin/python", clocked, clock, "--device", "cpu", "--ml", "-i", image]
        for name, extra, count in rows:
            if arguments.only and arguments.only not in name:
                continue
            images, theirs, ours = work / f"images{count}", work / "theirs.nii.gz", work / "ours.nii.gz"
            images.mkdir(exist_ok=True)
            for index in range(count):
                (images / f"case{index}.nii.gz").unlink(missing_ok=True)
                (images / f"case{index}.nii.gz").symlink_to(image)
            command = [arguments.microtome, "totalseg", "--ml", "--verbose"] + extra
            command += ["-i", image, "-o", ours] if count == 1 else ["-i", images, "-o", work / "folder"]
            precisions = arguments.precisions.split(",")
            samples = {"rival": []} | {precision: [] for precision in precisions}
            agreement = {}
            for _ in range(arguments.repeats):
                # Alternating, so that a noisy neighbour hits both.
                clock.write_text("")
                runs = [measure(rival + extra + ["-o", theirs], environment) for _ in range(count)]
                seconds = sum(seconds for seconds, _ in runs)
                inside = sum(map(float, clock.read_text().split()))
                samples["rival"].append((seconds, seconds - inside, max(peak for _, peak in runs)))
                for precision in precisions:
                    seconds, peak = measure(command + ["--precision", precision], environment, log)
                    inside = sum(map(float, re.findall(r"networks ([0-9.]+) s", log.read_text())))
                    samples[precision].append((seconds, seconds - inside, peak))
                    result = ours if count == 1 else work / "folder/case0.nii.gz"
                    agreement[precision] = json.loads(
                        subprocess.check_output([arguments.rival / "bin/python", "-c", COMPARE, result, theirs]))
            seconds = {who: statistics.median(s for s, _, _ in runs) for who, runs in samples.items()}
            outside = {who: statistics.median(s for _, s, _ in runs) for who, runs in samples.items()}
            peak = {who: max(p for _, _, p in runs) / 2**20 for who, runs in samples.items()}
            for precision in precisions:
                lowest, different = agreement[precision]
                print(
                    f"| {name}, {precision} | {seconds['rival']:.2f} | {seconds[precision]:.2f} "
                    f"| {seconds['rival'] / seconds[precision]:.1f} | {outside['rival']:.2f} "
                    f"| {outside[precision]:.2f} | {peak['rival']:.0f} | {peak[precision]:.0f} "
                    f"| {lowest:.5f} | {different} |", flush=True)


if __name__ == "__main__":
    main()
