#!/usr/bin/env python3
"""Times two commands in turns of a few seconds, each while the other one is stopped, and prints how many times as fast the
second one is.

A machine whose speed changes from minute to minute makes commands that run one after the other incomparable; in turns both
meet the same minutes. The second command is run again whenever it has ended, until the first one is done; the seconds of a
run are those in which it was allowed to run. Whole processes with their children count, from start to exit.

    Benchmarks/race.py "/tmp/rival/bin/TotalSegmentator --device cpu --ml -i CT.nii.gz -o theirs.nii.gz" \\
        ".build/release/microtome totalseg --precision fp32 --ml -q -i CT.nii.gz -o ours.nii.gz"
"""
import argparse, os, shlex, signal, statistics, subprocess, sys, time


class Command:
    """A command that runs only while it has its turn."""

    def __init__(self, text):
        self.arguments = shlex.split(text)
        self.process = None
        self.seconds = 0.0
        self.finished = []

    def turn(self, length):
        """Runs for `length` seconds or to the command's end; whether it has ended."""
        start = time.monotonic()
        if self.process is None:
            self.seconds = 0.0
            # A session of its own, so that children are stopped too.
            self.process = subprocess.Popen(
                self.arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        else:
            os.killpg(self.process.pid, signal.SIGCONT)
        try:
            status = self.process.wait(timeout=length)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGSTOP)
            self.seconds += time.monotonic() - start
            return False
        self.seconds += time.monotonic() - start
        self.process = None
        if status != 0:
            sys.exit(f"{shlex.join(self.arguments)}: ended with code {status}")
        self.finished.append(self.seconds)
        return True

    def kill(self):
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", help="the command that takes longer, in one argument")
    parser.add_argument("second", help="the command that takes less time")
    parser.add_argument("--turn", type=float, default=4, help="the seconds of a turn")
    arguments = parser.parse_args()
    first, second = Command(arguments.first), Command(arguments.second)
    try:
        while not first.turn(arguments.turn):
            second.turn(arguments.turn)
        # The run that has begun counts too, unless it has hardly begun.
        while not second.finished or second.process is not None and second.seconds > 0.5 * second.finished[-1]:
            second.turn(arguments.turn)
    finally:
        first.kill()
        second.kill()
    own = statistics.mean(second.finished)
    print(f"{first.finished[0]:.2f} s and {own:.2f} s (mean of {len(second.finished)} runs): "
          f"{first.finished[0] / own:.2f} times as fast")


main()
