"""The function app: check the settings, then register every trigger."""

import logging
from contextlib import AbstractAsyncContextManager

import azure.functions as func

from functions.compare_part import compare_part_blueprint
from functions.continue_inspection import continue_inspection_blueprint
from functions.continue_restore import continue_restore_blueprint
from functions.copy_ranges import copy_ranges_blueprint
from functions.drill_disks import drill_disks_blueprint
from functions.drill_restore import drill_restore_blueprint
from functions.finish_backup import finish_backup_blueprint
from functions.manage import manage_blueprint
from functions.plan_changes import plan_changes_blueprint
from functions.rebuild_catalogue import rebuild_catalogue_blueprint
from functions.report_tick import report_tick_blueprint
from functions.restore_disk import restore_disk_blueprint
from functions.retain_points import retain_points_blueprint
from functions.show_status import show_status_blueprint
from functions.take_snapshots import take_snapshots_blueprint
from functions.verify_disks import verify_disks_blueprint
from functions.verify_point import verify_point_blueprint
from functions.watch_poison import watch_poison_blueprint
from shared.azure.kept_connections import KeptConnections
from shared.azure.services import Services, open_services
from shared.events import Event, print_event
from shared.page_settings import StatusPage
from shared.settings import SettingsError, load_settings

try:
    settings = load_settings()
except SettingsError as error:
    # An alert relies on this event: the host's own errors about an app it can't load vary.
    print_event(Event.START_FAILED, reason=str(error))
    raise
# The SDK logs every request and response at INFO: a million lines for a large disk.
logging.getLogger("azure").setLevel(logging.WARNING)

kept = KeptConnections()


def opens() -> AbstractAsyncContextManager[Services]:
    """Open the services of an invocation, on the connections of this worker."""
    return open_services(load_settings(), kept)


app = func.FunctionApp()
app.register_functions(take_snapshots_blueprint(opens))
app.register_functions(plan_changes_blueprint(opens))
app.register_functions(copy_ranges_blueprint(opens))
app.register_functions(finish_backup_blueprint(opens))
app.register_functions(report_tick_blueprint(opens))
app.register_functions(retain_points_blueprint(opens))
app.register_functions(restore_disk_blueprint(opens))
app.register_functions(continue_restore_blueprint(opens))
app.register_functions(rebuild_catalogue_blueprint(opens))
app.register_functions(manage_blueprint(opens))
app.register_functions(verify_point_blueprint(opens))
app.register_functions(drill_restore_blueprint(opens))
app.register_functions(continue_inspection_blueprint(opens))
app.register_functions(compare_part_blueprint(opens))
app.register_functions(watch_poison_blueprint(opens))
if settings.verify_schedule:
    app.register_functions(verify_disks_blueprint(opens))
if settings.drill_schedule:
    app.register_functions(drill_disks_blueprint(opens))
if settings.page is not StatusPage.OFF:
    app.register_functions(show_status_blueprint(opens, settings))
