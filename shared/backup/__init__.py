"""A backup, in the order of its steps: take_snapshots, plan_changes, copy_ranges, finish_backup, report_tick."""
