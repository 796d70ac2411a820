"""For scripts that run commands and end at the first that goes wrong."""
import subprocess
import sys


def run(*command, fails=False, limit=600, **more):
    """The standard output of a command that must succeed (`fails`: that must not) within `limit` seconds; `more` is for subprocess.run.
    Otherwise the script ends with what the command said."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=limit, **more)
    if (done.returncode != 0) != fails:
        sys.exit(f"FAILED ({done.returncode}): {' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout


def check(fine, what):
    if not fine:
        sys.exit(f"FAILED: {what}")


def skip(why):
    print(f"skipped: {why}")
    sys.exit(0)
