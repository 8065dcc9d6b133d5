"""What a dispatch would come to if it were sent now: when it would arrive at each unit, and what it costs the lines.

Of a recall: what it would do to each delivery that it calls back.
"""

from router.planning.draft import draft_in
from router.planning.plan import Plan, Remark, Rollup, UnitPlan, make_plan, plan_now, roll_up
from router.planning.recalling import RecallPlan, plan_recall

__all__ = [
    "Plan",
    "RecallPlan",
    "Remark",
    "Rollup",
    "UnitPlan",
    "draft_in",
    "make_plan",
    "plan_now",
    "plan_recall",
    "roll_up",
]
