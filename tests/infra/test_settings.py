"""The app settings that are deployed are those that the code reads."""

from itertools import pairwise

from shared.limits import STORAGE_API_VERSION
from shared.page_settings import StatusPage
from shared.retention_settings import RetentionMode
from shared.settings import Settings
from tests.infra.bicep_file import read
from tests.infra.bicep_words import Kind
from tests.infra.tree import INFRA, MAIN, parsed, resources

# The Functions host's and Application Insights', not Tidemark's.
PLATFORM = {
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__credential",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID",
}
# The platform's, which the app reads.
GIVEN = {"WEBSITE_SITE_NAME", "WEBSITE_AUTH_ENABLED"}
# Each holds a key, or stands in for what is deployed as URLs.
NOT_DEPLOYED = {"STORAGE_CONNECTIONS", "AzureWebJobsStorage", "AzureWebJobsStorage__accountName"}


def deployed() -> set[str]:
    """Name the settings in Bicep: the keys of the objects in its variable `settings`."""
    words = [
        word for word in read(INFRA / "modules" / "function-app.bicep").declared["settings"].words if word.text != "\n"
    ]
    followed = pairwise(words)
    return {word.text for word, after in followed if after.text == ":" and word.kind is Kind.NAME}


def known() -> set[str]:
    """Name the settings that the code reads."""
    return {str(field.validation_alias or name.upper()) for name, field in Settings.model_fields.items()}


def test_all_settings_that_are_deployed_are_read_by_somebody() -> None:
    assert deployed() - known() == PLATFORM


def test_all_settings_that_the_code_reads_are_deployed() -> None:
    assert known() - deployed() == NOT_DEPLOYED | GIVEN


def test_the_app_gets_them() -> None:
    (app,) = resources("Microsoft.Web/sites").values()
    assert "items" in str(app["properties"]["siteConfig"]["appSettings"])
    assert app["properties"]["functionAppConfig"]["runtime"] == {"name": "python", "version": "3.13"}


def test_defaults_are_the_code_s() -> None:
    parameters = parsed(MAIN)["parameters"]
    assert parameters["backupSchedule"]["default"] == "0 0 */12 * * *"
    assert parameters["runStalledAfterSeconds"]["default"] == Settings.model_fields["run_stalled_after_seconds"].default
    assert parameters["coalesceGapKib"]["default"] == Settings.model_fields["coalesce_gap_kib"].default
    assert Settings.model_fields["storage_api_version"].default == STORAGE_API_VERSION
    assert parameters["storageApiVersion"]["default"] == ""
    assert parameters["retentionMode"]["default"] == Settings.model_fields["retention_mode"].default
    assert parameters["retentionZone"]["default"] == Settings.model_fields["retention_zone"].default.key
    assert parameters["statusPage"]["default"] == Settings.model_fields["status_page"].default
    assert parameters["retention"]["default"] == "", "all recovery points are kept until somebody says which"


def test_the_resource_manager_is_that_of_the_cloud() -> None:
    assert "resourceManagerUrl: environment().resourceManager" in MAIN.read_text()
    # Bicep gives it with a slash at the end, which the audience of tokens has not.
    assert Settings.model_fields["resource_manager_url"].default == "https://management.azure.com"


def test_the_modes_of_the_retention_are_the_app_s() -> None:
    decorators = {
        found["type"]: found.get("argument") for found in parsed(MAIN)["parameters"]["retentionMode"]["decorators"]
    }
    assert decorators["allowed"] == sorted(RetentionMode)


def test_those_who_may_look_at_the_page_are_the_app_s() -> None:
    decorators = {
        found["type"]: found.get("argument") for found in parsed(MAIN)["parameters"]["statusPage"]["decorators"]
    }
    assert decorators["allowed"] == sorted(StatusPage)


def test_every_disk_is_verified_each_month_unless_somebody_says_otherwise() -> None:
    schedule = parsed(MAIN)["parameters"]["verifySchedule"]["default"]
    seconds, minutes, hours, day, month, weekday = schedule.split()
    assert (day, month, weekday) == ("1", "*", "*")
    assert all(number.isdecimal() for number in (seconds, minutes, hours))
    assert "verifySchedule: toLower(verifySchedule) == 'off' ? '' : verifySchedule" in MAIN.read_text()
    assert Settings.model_fields["verify_schedule"].default == "", "the app verifies by a schedule that it is given"
