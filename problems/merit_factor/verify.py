"""Checks a sequence file again, sharing no code with evaluate.py:  python verify.py sequence.json [n]

Reads the list of signs that `evolve best RUN --artifact` writes and counts unequal pairs at each shift, with the bits of
whole numbers.  Prints the merit factor and exits with 0 where the file is a list of signs, else with 1.
"""

import json
import sys
from pathlib import Path


def main(argv):
    signs = json.loads(Path(argv[1]).read_text(encoding="utf-8"))
    if not isinstance(signs, list) or len(signs) < 3 or any(str(sign) not in ("1", "-1") for sign in signs):
        print("expected a list of at least three signs, each 1 or -1")
        return 1
    n = len(signs)
    if len(argv) > 2 and n != int(argv[2]):
        print(f"expected {argv[2]} signs, found {n}")
        return 1
    bits = int("".join("1" if str(sign) == "1" else "0" for sign in signs), 2)
    unequal = [((bits ^ bits >> k) & ((1 << n - k) - 1)).bit_count() for k in range(1, n)]
    energy = sum((n - k - 2 * count) ** 2 for k, count in enumerate(unequal, 1))
    print(f"valid: {n} signs, energy {energy}, merit factor {n * n / (2 * energy):.13f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
