// What the app may do with the disks of one container, in an account that exists.
param account string
param container string

@description('Whether disks may be restored to the container.')
param restores bool

@description('Name (a GUID) of the custom role that reads and snapshots disks.')
param diskReader string

@description('Principal ID of the app\'s identity.')
param principalId string

var blobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
var blobDelegator = 'db58b8e5-c6ad-4a2a-8342-4190687cbf4a'

resource source 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: account
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' existing = {
  parent: source
  name: 'default'
}

resource disks 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = {
  parent: blobs
  name: container
}

// It deletes only where a snapshot is named: the delete action knows that attribute of a request
// (https://learn.microsoft.com/azure/storage/blobs/storage-auth-abac-attributes#delete-a-blob).
resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!restores) {
  name: guid(disks.id, principalId, diskReader)
  scope: disks
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', diskReader)
    principalId: principalId
    principalType: 'ServicePrincipal'
    conditionVersion: '2.0'
    condition: loadTextContent('../roles/disk-reader-condition.txt')
  }
}

resource writes 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (restores) {
  name: guid(disks.id, principalId, blobDataContributor)
  scope: disks
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataContributor)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// To sign what the backup account reads. The key for that is the account's: no narrower scope will do.
resource signs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(source.id, principalId, blobDelegator)
  scope: source
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDelegator)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
