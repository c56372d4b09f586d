"""A backup, in the order of its life: take_snapshots, plan_changes, copy_ranges, finish_backup, report_tick."""
