"""Starts runs again and again: keeps schedules, sees to their moments, changes them as requests and code ask.

No process of ours counts time. Each schedule has one broker schedule, its alarm, for its next moment; when that has
come the broker tells the router to look at the schedule. What the look finds to do depends on the schedule's record
alone, so it may be done twice, late, or for nothing. Whoever writes a record sets the alarm by it.
"""
