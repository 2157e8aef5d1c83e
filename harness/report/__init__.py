"""What people read: pages, charts and tables made from a run folder's measures and curves."""

from harness.report.comparison_page import write_comparison
from harness.report.post_event import write_post_event
from harness.report.run_page import write_report

__all__ = ["write_comparison", "write_post_event", "write_report"]
