"""The function app: its settings are checked first, then every trigger is registered."""

import logging

import azure.functions as func

from functions.continue_restore import continue_restore_blueprint
from functions.copy_ranges import copy_ranges_blueprint
from functions.finish_backup import finish_backup_blueprint
from functions.plan_changes import plan_changes_blueprint
from functions.rebuild_catalogue import rebuild_catalogue_blueprint
from functions.restore_disk import restore_disk_blueprint
from functions.take_snapshots import take_snapshots_blueprint
from shared.settings import load_settings

load_settings()
# The SDK logs each request and each answer at INFO: a million lines for a large disk.
logging.getLogger("azure").setLevel(logging.WARNING)

app = func.FunctionApp()
app.register_functions(take_snapshots_blueprint)
app.register_functions(plan_changes_blueprint)
app.register_functions(copy_ranges_blueprint)
app.register_functions(finish_backup_blueprint)
app.register_functions(restore_disk_blueprint)
app.register_functions(continue_restore_blueprint)
app.register_functions(rebuild_catalogue_blueprint)
