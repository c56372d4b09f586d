// Where the backups are: a standard account with one container, which only the app's identity writes to.
//
// Why there is no immutability policy: a backup blob is a page blob that each run writes to in place. Under a policy
// of the container "writes to the disk will be blocked"; under one of versions "each write is stored as a new version"
// (https://learn.microsoft.com/azure/storage/blobs/immutable-storage-overview#recommended-blob-types).
// What keeps backups instead: soft delete brings back a deleted blob, snapshot or container; the lock keeps the
// account from being deleted; the roles name one identity and one container. Soft delete does not bring back pages
// that were written over: the recovery points are snapshots, which cannot be written to.
param name string
param location string
param tags object

@description('Principal ID of the app\'s identity.')
param principalId string

param redundancy string
param softDeleteDays int
param isLocked bool
param privateNetwork bool

@description('Log Analytics workspace that receives the account\'s delete logs. Empty: none.')
param workspaceId string = ''

var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var blobDelegator = 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a'

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  // checkov:skip=CKV_AZURE_35: with privateNetwork it is Deny; without, the identity's roles alone let in
  // checkov:skip=CKV_AZURE_206: the parameter backupRedundancy says which; it is geo-redundant by default
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: redundancy
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // The disks' accounts then cannot read from here: a restore goes through the function, more slowly.
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: privateNetwork ? 'Deny' : 'Allow'
      bypass: 'None'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
  properties: {
    // Each snapshot would leave a version behind, for ever.
    isVersioningEnabled: false
    deleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
  }
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: 'backups'
}

// Who has deleted which blob, snapshot or container: https://learn.microsoft.com/azure/storage/blobs/monitor-blob-storage
resource deletes 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(workspaceId)) {
  scope: blobs
  name: 'tidemark-deletes'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'StorageDelete'
        enabled: true
      }
    ]
  }
}

// Against deletion of the account, and of its containers by way of Azure Resource Manager. What a data role allows,
// it does not prevent: https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources
resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (isLocked) {
  scope: account
  name: 'tidemark-backups'
  properties: {
    level: 'CanNotDelete'
    notes: 'The backups of Tidemark. Remove the lock only to end them.'
  }
}

resource writes 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(container.id, principalId, blobDataContributor)
  scope: container
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// To sign what a disk's account reads in a restore. The key for that is the account's: no narrower scope will do.
resource signs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account.id, principalId, blobDelegator)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDelegator)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

output id string = account.id
output containerUrl string = '${account.properties.primaryEndpoints.blob}${container.name}'
