"""Golden histories: journals of runs that use every feature of the engine, kept for each release.

They are in `tests/golden/histories`; each must be replayed by the code of today. `app` is the code of the runs, `lives`
says what befalls them, `recording` keeps the journals of those that have none yet.
"""
