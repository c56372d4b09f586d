"""The storage accounts that tests have beside those of the local Azure, each for tests of one kind."""

from infra.local.azurite import Account

BEHIND_A_GATEWAY = (Account.named("diskaccount"), Account.named("backupaccount"))
OF_THE_HOST = Account.named("hosttests")
