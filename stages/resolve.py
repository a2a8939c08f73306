"""resolve: checks params.yaml and writes configs/<stage>/<name>.yaml for every stage and name."""

import sys
from pathlib import Path

from thirtytwo.runtime.errors import ParamsError
from thirtytwo.settings.resolve import resolve

ROOT = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    try:
        paths = resolve(ROOT / "params.yaml", ROOT)
    except ParamsError as error:
        sys.exit(f"error: {error}")
    print(f"wrote {len(paths)} resolved configurations below {ROOT / 'configs'}")
