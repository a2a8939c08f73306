"""Fixtures of the report's tests."""

from report_pages import full, older, pair, quick_plots, real_plots, results, small

__all__ = ["full", "older", "pair", "quick_plots", "real_plots", "results", "small"]
