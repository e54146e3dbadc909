"""Selection knows scores of groups and finds the best set of networks; it knows nothing of affinities or training."""

from taskgroup.selection.budgets import all_budgets
from taskgroup.selection.pairwise import hoa
from taskgroup.selection.selecting import Method, select

__all__ = ["Method", "all_budgets", "hoa", "select"]
