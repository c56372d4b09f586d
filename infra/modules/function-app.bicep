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

@description('Who may look at the status page: off, entra or key.')
param statusPage string

@description('Client ID of the app registration by which people sign in. Empty unless statusPage is entra.')
param statusPageClientId string

@description('Object ID of the group whose members may look. Empty unless statusPage is entra.')
param statusPageGroup string

@secure()
param heartbeatUrl string

var signsIn = statusPage == 'entra'
var identityProviders = {
  azureActiveDirectory: {
    enabled: true
    registration: {
      clientId: statusPageClientId
      // The setting names the identity by which the platform proves itself to the app registration: there is no secret.
      clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
      openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
    }
    validation: {
      allowedAudiences: [statusPageClientId]
      jwtClaimChecks: {
        allowedGroups: [statusPageGroup]
      }
    }
  }
}

// The settings that shared/settings.py reads, and those of the platform. On Flex Consumption the runtime is no setting.
var settings = union(empty(storageApiVersion) ? {} : { STORAGE_API_VERSION: storageApiVersion }, signsIn ? { OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: clientId } : {}, {
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
  STATUS_PAGE: statusPage
  STATUS_PAGE_GROUP: statusPageGroup
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
  // checkov:skip=CKV_AZURE_222: azd and the Core Tools publish to the public endpoint; HTTP is answered there only to whom statusPage says
  // checkov:skip=CKV_AZURE_17: browsers and scrapers have no certificate; they sign in or send a key, and unless statusPage is set nothing answers HTTP
  // checkov:skip=CKV_AZURE_212: Flex Consumption starts instances for the timer and the queues by itself
  // checkov:skip=CKV_AZURE_213: what counts is that the timer runs, and that is watched by an alert
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

// With a key it is turned off, in case it was on; where nothing answers HTTP, nothing is said of it.
resource authentication 'Microsoft.Web/sites/config@2024-11-01' = if (statusPage != 'off') {
  // checkov:skip=CKV_AZURE_13: this is what it looks for; it knows the classic authsettings alone
  // checkov:skip=CKV_AZURE_63: checkov takes this for the configuration named web; authsettingsV2 has no such property
  // checkov:skip=CKV_AZURE_65: checkov takes this for the configuration named web; authsettingsV2 has no such property
  // checkov:skip=CKV_AZURE_66: checkov takes this for the configuration named web; authsettingsV2 has no such property
  // checkov:skip=CKV_AZURE_80: checkov takes this for the configuration named web; authsettingsV2 has no such property
  // checkov:skip=CKV_AZURE_88: checkov takes this for the configuration named web; authsettingsV2 has no such property
  // checkov:skip=CKV_AZURE_222: as for the app
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: signsIn
    }
    globalValidation: {
      requireAuthentication: signsIn
      unauthenticatedClientAction: signsIn ? 'RedirectToLoginPage' : 'AllowAnonymous'
      redirectToProvider: signsIn ? 'azureactivedirectory' : null
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: signsIn ? identityProviders : {}
    login: {
      // Nobody's tokens are used, so none is kept.
      tokenStore: {
        enabled: false
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
output statusPageUrl string = 'https://${app.properties.defaultHostName}/api/status'
