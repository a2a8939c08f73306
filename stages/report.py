"""report: writes report/index.html and report/report.md from the results of all stages that have run."""

import sys
from pathlib import Path

from thirtytwo.report.page import write
from thirtytwo.report.results import load
from thirtytwo.runtime.errors import ParamsError, ReportError

ROOT = Path(__file__).resolve().parents[1]

if __name__ == "__main__":
    try:
        write(load(ROOT), ROOT / "report")
    except (ParamsError, ReportError) as error:
        sys.exit(f"error: {error}")
    print(f"wrote {ROOT / 'report' / 'index.html'}")
