// Tidemark in a subscription: the function app, its own storage, the backup account, their roles, logs and alerts.
// `azd up` deploys it; each parameter is an environment value of azd (infra/main.parameters.json).
targetScope = 'subscription'

@description('A container that holds disks: its location, and whether disks may be restored to it.')
type Source = {
  account: string
  resourceGroup: string
  // Where it is another than that of the deployment.
  subscriptionId: string?
  container: string
  // Without it, no disk in the container can be written to.
  restores: bool
}

@description('A resource group that holds managed disks, and whether disks may be restored to it.')
type ManagedDiskGroup = {
  resourceGroup: string
  // Where it is another than that of the deployment.
  subscriptionId: string?
  // Without it, no managed disk in the group can be made or deleted.
  restores: bool?
}

@minLength(1)
@maxLength(64)
@description('Name of the azd environment; resource names are derived from it.')
param environmentName string

@description('Region of the function app. It must offer Flex Consumption (`az functionapp list-flexconsumption-locations`; add a newer region to this list). azd offers these.')
@allowed([
  'australiaeast'
  'australiasoutheast'
  'brazilsouth'
  'canadacentral'
  'centralindia'
  'centralus'
  'eastasia'
  'eastus'
  'eastus2'
  'francecentral'
  'germanywestcentral'
  'italynorth'
  'japaneast'
  'koreacentral'
  'northcentralus'
  'northeurope'
  'norwayeast'
  'southafricanorth'
  'southcentralus'
  'southeastasia'
  'southindia'
  'spaincentral'
  'swedencentral'
  'uaenorth'
  'uksouth'
  'ukwest'
  'westcentralus'
  'westeurope'
  'westus'
  'westus2'
  'westus3'
])
@metadata({
  azd: {
    type: 'location'
  }
})
param location string

@description('Region of the backup account. Choose another than the disks have, to survive the loss of theirs.')
param backupLocation string = location

@description('The containers that hold disks; the app gets its roles on these.')
param sources Source[] = []

@description('The resource groups that hold managed disks; the app gets its roles on these.')
param managedDiskGroups ManagedDiskGroup[] = []

@description('SOURCE_DISKS: URLs, and IDs of managed disks, separated by white space or commas; * in a name matches any characters, ! before a URL or an ID excludes what it names. Empty: every .vhd in the containers of `sources`, and every disk in the groups of `managedDiskGroups`.')
param sourceDisks string = ''

@description('NCRONTAB schedule of the backups, UTC.')
param backupSchedule string = '0 0 */12 * * *'

@description('NCRONTAB schedule of verifies, UTC; monthly by default, so that no chain of diffs goes unchecked. off: none.')
param verifySchedule string = '0 0 3 1 * *'

@description('NCRONTAB schedule of restore drills, UTC. Empty: none.')
param drillSchedule string = ''

@description('What to keep of the recovery points, such as `last=6 daily=14 weekly=8 monthly=12 yearly=3 within=7d`. Empty: all.')
param retention string = ''

@allowed([
  'off'
  'on'
  'report'
])
@description('What is done with recovery points that no rule of `retention` keeps: off: nothing; report: a plan goes on record; on: they are deleted.')
param retentionMode string = 'off'

@description('Time zone of the days, weeks, months and years of `retention`, such as Europe/Berlin.')
param retentionZone string = 'UTC'

@description('URL of the container that held the backups before, if it was changed. Empty: it was not.')
param backupContainerMovedFrom string = ''

@minValue(1)
@description('Seconds without progress after which a run counts as stalled and is planned again.')
param runStalledAfterSeconds int = 1800

@minValue(0)
@maxValue(120)
@description('KiB of unchanged data, at most, that a run writes again between two changes to save a call, once it is in a hurry. 0: never.')
param coalesceGapKib int = 8

@description('Storage service version for requests and signatures. Empty: the version Tidemark is built for.')
param storageApiVersion string = ''

@secure()
@description('URL called after each tick that backed up every disk. Empty: none.')
param heartbeatUrl string = ''

@allowed([
  'entra'
  'key'
  'off'
])
@description('Who may look at the status page: off: nobody, and nothing answers HTTP; entra: the members of statusPageGroup, by App Service Authentication; key: whoever has a function key, for scrapers.')
param statusPage string = 'off'

@description('With statusPage entra: the client ID of the app registration by which people sign in.')
param statusPageClientId string = ''

@description('With statusPage entra: the object ID of the group whose members may look.')
param statusPageGroup string = ''

@description('Email address for alerts. Empty: alerts show in the portal only.')
param alertEmail string = ''

@description('Whether storage is reached only through private endpoints, from a virtual network created for it.')
param privateNetwork bool = false

@description('With privateNetwork: public IPv4 addresses, or ranges of at least four addresses, of people who request restores. (A storage firewall accepts no /31 and no /32; give a single address without a suffix.)')
param operatorAddresses string[] = []

@description('Object ID of whoever may request restores and read the records; with azd, whoever deploys, unless OPERATOR_ID is set. Empty: nobody.')
param operatorId string = ''

@allowed([
  'Group'
  'ServicePrincipal'
  'User'
])
@description('The type of principal that operatorId names.')
param operatorType string = 'User'

@description('Redundancy of the backup account. Standard only: premium page blobs are not suited to backups.')
@allowed([
  'Standard_GRS'
  'Standard_GZRS'
  'Standard_LRS'
  'Standard_RAGRS'
  'Standard_RAGZRS'
  'Standard_ZRS'
])
param backupRedundancy string = 'Standard_GRS'

@minValue(1)
@maxValue(365)
@description('Days during which a deleted backup blob, snapshot or container can be undeleted.')
param softDeleteDays int = 30

@description('Whether a lock prevents the backup account from being deleted.')
param lockBackups bool = true

@minValue(1)
@maxValue(1000)
@description('Maximum instances of each function; every queue and timer scales on its own.')
param maximumInstances int = 20

// No 512 MB: with its quarter of a core a worker takes 30 s to start, and where pages go through the function they alone
// take 256 MiB.
@allowed([
  2048
  4096
])
@description('Memory of an instance in MB.')
param instanceMemory int = 2048

@minValue(30)
@maxValue(730)
@description('Days that logs are kept.')
param logRetentionDays int = 30

var abbreviations = loadJsonContent('abbreviations.json')
var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = {
  'azd-env-name': environmentName
}
var functionAppName = '${abbreviations.webSitesFunctions}${token}'
var eachDisk = join(
  union(
    map(sources, source => 'https://${source.account}.blob.${environment().suffixes.storage}/${source.container}/*.vhd'),
    map(
      managedDiskGroups,
      found => '/subscriptions/${found.?subscriptionId ?? subscription().subscriptionId}/resourceGroups/${found.resourceGroup}/providers/Microsoft.Compute/disks/*'
    )
  ),
  ' '
)
var restoreContainers = join(
  map(
    filter(sources, source => source.restores),
    source => 'https://${source.account}.blob.${environment().suffixes.storage}/${source.container}'
  ),
  ' '
)
var restoreGroups = filter(managedDiskGroups, found => found.?restores ?? false)
var restoreGroupIds = join(
  map(
    restoreGroups,
    found => '/subscriptions/${found.?subscriptionId ?? subscription().subscriptionId}/resourceGroups/${found.resourceGroup}'
  ),
  ' '
)
// A custom role can be assigned in the subscriptions that it names.
var sourceSubscriptions = map(
  sources,
  source => '/subscriptions/${source.?subscriptionId ?? subscription().subscriptionId}'
)
var managedDiskSubscriptions = map(
  managedDiskGroups,
  found => '/subscriptions/${found.?subscriptionId ?? subscription().subscriptionId}'
)

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: '${abbreviations.resourcesResourceGroups}${environmentName}'
  location: location
  tags: tags
}

// A group of its own: who manages the app need not manage the backups.
resource backupGroup 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: '${abbreviations.resourcesResourceGroups}${environmentName}-backups'
  location: backupLocation
  tags: tags
}

module identity 'modules/identity.bicep' = {
  name: 'tidemark-identity'
  scope: group
  params: {
    name: '${abbreviations.managedIdentityUserAssignedIdentities}${token}'
    location: location
    tags: tags
  }
}

module hostStorage 'modules/host-storage.bicep' = {
  name: 'tidemark-host-storage'
  scope: group
  params: {
    name: '${abbreviations.storageStorageAccounts}${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    operatorId: operatorId
    operatorType: operatorType
    privateNetwork: privateNetwork
    operatorAddresses: operatorAddresses
  }
}

module backupAccount 'modules/backup-account.bicep' = {
  name: 'tidemark-backup-account'
  scope: backupGroup
  params: {
    name: '${abbreviations.storageStorageAccounts}bak${token}'
    location: backupLocation
    tags: tags
    principalId: identity.outputs.principalId
    redundancy: backupRedundancy
    softDeleteDays: softDeleteDays
    isLocked: lockBackups
    privateNetwork: privateNetwork
    workspaceId: monitoring.outputs.workspaceId
  }
}

module diskReader 'modules/custom-role.bicep' = {
  name: 'tidemark-disk-reader-${token}'
  params: {
    environmentName: environmentName
    role: loadJsonContent('roles/disk-reader.json')
    assignableScopes: union([subscription().id], sourceSubscriptions)
  }
}

module managedDiskReader 'modules/custom-role.bicep' = if (!empty(managedDiskGroups)) {
  name: 'tidemark-managed-disk-reader-${token}'
  params: {
    environmentName: environmentName
    role: loadJsonContent('roles/managed-disk-reader.json')
    assignableScopes: union([subscription().id], managedDiskSubscriptions)
  }
}

module managedDiskRestorer 'modules/custom-role.bicep' = if (!empty(restoreGroups)) {
  name: 'tidemark-managed-disk-restorer-${token}'
  params: {
    environmentName: environmentName
    role: loadJsonContent('roles/managed-disk-restorer.json')
    assignableScopes: union([subscription().id], managedDiskSubscriptions)
  }
}

// One after the other: two containers of one account share an assignment on the account. And last: a custom role can't
// be assigned for some time after it was made (RoleDefinitionDoesNotExist).
@batchSize(1)
module sourceRoles 'modules/source-roles.bicep' = [
  for (source, number) in sources: {
    name: 'tidemark-source-${number}-${token}'
    scope: resourceGroup(source.?subscriptionId ?? subscription().subscriptionId, source.resourceGroup)
    params: {
      account: source.account
      container: source.container
      restores: source.restores
      diskReader: diskReader.outputs.name
      principalId: identity.outputs.principalId
    }
    dependsOn: [
      alerts
      functionApp
    ]
  }
]

// As above: one after the other, in case the list names a group twice, and last.
@batchSize(1)
module managedDiskRoles 'modules/managed-disk-roles.bicep' = [
  for (found, number) in managedDiskGroups: {
    name: 'tidemark-managed-disks-${number}-${token}'
    scope: resourceGroup(found.?subscriptionId ?? subscription().subscriptionId, found.resourceGroup)
    params: {
      managedDiskReader: managedDiskReader!.outputs.name
      managedDiskRestorer: (found.?restores ?? false) ? managedDiskRestorer!.outputs.name : ''
      principalId: identity.outputs.principalId
    }
    dependsOn: [
      alerts
      functionApp
    ]
  }
]

module monitoring 'modules/monitoring.bicep' = {
  name: 'tidemark-monitoring'
  scope: group
  params: {
    workspaceName: '${abbreviations.operationalInsightsWorkspaces}${token}'
    componentName: '${abbreviations.insightsComponents}${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    retentionDays: logRetentionDays
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'tidemark-alerts'
  scope: group
  params: {
    actionGroupName: '${abbreviations.insightsActionGroups}${token}'
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    backupAccountId: backupAccount.outputs.id
    email: alertEmail
  }
}

module network 'modules/network.bicep' = if (privateNetwork) {
  name: 'tidemark-network'
  scope: group
  params: {
    name: '${abbreviations.networkVirtualNetworks}${token}'
    location: location
    tags: tags
    hostStorageId: hostStorage.outputs.id
    backupAccountId: backupAccount.outputs.id
  }
}

module functionApp 'modules/function-app.bicep' = {
  name: 'tidemark-function-app'
  scope: group
  params: {
    name: functionAppName
    planName: '${abbreviations.webServerFarms}${token}'
    location: location
    tags: union(tags, { 'azd-service-name': 'tidemark' })
    identityId: identity.outputs.id
    clientId: identity.outputs.clientId
    blobServiceUrl: hostStorage.outputs.blobServiceUrl
    queueServiceUrl: hostStorage.outputs.queueServiceUrl
    tableServiceUrl: hostStorage.outputs.tableServiceUrl
    packageUrl: hostStorage.outputs.packageUrl
    insightsConnection: monitoring.outputs.insightsConnection
    subnetId: privateNetwork ? network!.outputs.appSubnetId : ''
    maximumInstances: maximumInstances
    instanceMemory: instanceMemory
    backupContainer: backupAccount.outputs.containerUrl
    sourceDisks: empty(sourceDisks) ? eachDisk : sourceDisks
    restoreContainers: restoreContainers
    restoreGroups: restoreGroupIds
    backupSchedule: backupSchedule
    // azd takes an empty value for none, and gives the default.
    verifySchedule: toLower(verifySchedule) == 'off' ? '' : verifySchedule
    drillSchedule: drillSchedule
    retention: retention
    retentionMode: retentionMode
    retentionZone: retentionZone
    backupContainerMovedFrom: backupContainerMovedFrom
    runStalledAfterSeconds: runStalledAfterSeconds
    coalesceGapKib: coalesceGapKib
    storageApiVersion: storageApiVersion
    resourceManagerUrl: environment().resourceManager
    statusPage: statusPage
    statusPageClientId: statusPageClientId
    statusPageGroup: statusPageGroup
    heartbeatUrl: heartbeatUrl
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_NAME string = functionApp.outputs.name
output TIDEMARK_IDENTITY string = identity.outputs.principalId
output TIDEMARK_HOST_STORAGE string = hostStorage.outputs.name
output TIDEMARK_BACKUP_CONTAINER string = backupAccount.outputs.containerUrl
// Empty: nothing answers HTTP.
output TIDEMARK_STATUS_PAGE string = statusPage == 'off' ? '' : functionApp.outputs.statusPageUrl
// What the parameters came to: azd gives the default where it can't read a value.
output TIDEMARK_DEPLOYED object = {
  backupLocation: backupLocation
  backupRedundancy: backupRedundancy
  backupSchedule: backupSchedule
  coalesceGapKib: coalesceGapKib
  drillSchedule: drillSchedule
  instanceMemory: instanceMemory
  lockBackups: lockBackups
  logRetentionDays: logRetentionDays
  maximumInstances: maximumInstances
  operatorAddresses: operatorAddresses
  operatorId: operatorId
  privateNetwork: privateNetwork
  retention: retention
  retentionMode: retentionMode
  retentionZone: retentionZone
  runStalledAfterSeconds: runStalledAfterSeconds
  softDeleteDays: softDeleteDays
  statusPage: statusPage
  verifySchedule: verifySchedule
}
