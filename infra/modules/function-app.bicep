// The function app on Flex Consumption, with its settings. No key among them: all storage is reached by identity.
param name string
param planName string
param location string
param tags object

@description('Resource ID of the app\'s identity.')
param identityId string

@description('Client ID of the app\'s identity.')
param clientId string

@description('Service URLs of the app\'s own storage, each ending in a slash.')
param blobServiceUrl string
param queueServiceUrl string
param tableServiceUrl string

@description('URL of the container that holds the deployment package.')
param packageUrl string

@description('Connection string of Application Insights. Not a secret: it only says where to send, as local authentication is off.')
param insightsConnection string

@description('Subnet for the app\'s outbound traffic. Empty: none.')
param subnetId string

param maximumInstances int
param instanceMemory int
param backupContainer string

@minLength(1)
@description('Empty where neither containers nor resource groups of disks were named.')
param sourceDisks string

@description('URLs of containers that restores may write to, separated by white space.')
param restoreContainers string

@description('IDs of resource groups that managed disks may be restored to, separated by white space.')
param restoreGroups string

param backupSchedule string
param verifySchedule string
param drillSchedule string
param retention string
param retentionMode string
param retentionZone string
param backupContainerMovedFrom string
param runStalledAfterSeconds int
param coalesceGapKib int
param storageApiVersion string
param resourceManagerUrl string

@secure()
param heartbeatUrl string

// The settings that shared/settings.py reads, and those of the platform. On Flex Consumption the runtime is no setting.
var settings = union(empty(storageApiVersion) ? {} : { STORAGE_API_VERSION: storageApiVersion }, {
  AzureWebJobsStorage__blobServiceUri: blobServiceUrl
  AzureWebJobsStorage__queueServiceUri: queueServiceUrl
  AzureWebJobsStorage__tableServiceUri: tableServiceUrl
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: clientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnection
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${clientId};Authorization=AAD'
  BACKUP_SCHEDULE: backupSchedule
  SOURCE_DISKS: sourceDisks
  RESTORE_CONTAINERS: restoreContainers
  RESTORE_GROUPS: restoreGroups
  BACKUP_CONTAINER: backupContainer
  VERIFY_SCHEDULE: verifySchedule
  DRILL_SCHEDULE: drillSchedule
  RETENTION: retention
  RETENTION_MODE: retentionMode
  RETENTION_ZONE: retentionZone
  BACKUP_CONTAINER_MOVED_FROM: backupContainerMovedFrom
  RUN_STALLED_AFTER_SECONDS: string(runStalledAfterSeconds)
  COALESCE_GAP_KIB: string(coalesceGapKib)
  // Of whichever cloud this is; the app takes the slash at the end off, as it is none of the tokens' audience.
  RESOURCE_MANAGER_URL: resourceManagerUrl
  HEARTBEAT_URL: heartbeatUrl
})

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  // checkov:skip=CKV_AZURE_225: after an outage of a zone the next tick goes on with what is open
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  // checkov:skip=CKV_AZURE_222: azd and the Core Tools publish to the public endpoint; no function answers HTTP there
  // checkov:skip=CKV_AZURE_17: no function answers HTTP, so there is no client to show a certificate
  // checkov:skip=CKV_AZURE_212: Flex Consumption starts instances for the timer and the queues by itself
  // checkov:skip=CKV_AZURE_213: no function answers HTTP; that the timer runs is watched by an alert
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      appSettings: [
        for setting in items(settings): {
          name: setting.key
          value: setting.value
        }
      ]
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        maximumInstanceCount: maximumInstances
        instanceMemoryMB: instanceMemory
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
    }
  }
}

// Publishing by user name and password is off: azd and the Core Tools sign in.
resource ftp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

output name string = app.name
