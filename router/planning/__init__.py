"""What a dispatch would come to if it were sent now: when it would arrive at each unit, and what it costs the lines."""

from router.planning.draft import draft_in
from router.planning.plan import Plan, Remark, Rollup, UnitPlan, make_plan, plan_now, roll_up

__all__ = ["Plan", "Remark", "Rollup", "UnitPlan", "draft_in", "make_plan", "plan_now", "roll_up"]
