// The app's own storage: the Functions host's blobs, Tidemark's queues and tables, the app's package. The app makes the
// tables and its inner queues; the queues that people write to are made here, so that a role can be given on each.
param name string
param location string
param tags object

@description('Principal ID of the app\'s identity.')
param principalId string

@description('Object ID of whoever may put messages on the request queues and read the records. Empty: nobody.')
param operatorId string
param operatorType string

param privateNetwork bool

@description('With privateNetwork: IPv4 addresses or ranges to allow.')
param operatorAddresses array

// The roles that the Functions host asks for:
// https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var tableDataContributor = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
// The roles of who asks for a restore, and watches it.
var queueMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
var tableDataReader = '76199698-9eea-4c19-bc75-cec21354c6b6'

var appRoles = [blobDataOwner, queueDataContributor, tableDataContributor]
var requestQueues = ['drill', 'manage', 'rebuild-catalogue', 'restore-requests', 'verify']
var operatorQueues = empty(operatorId) ? [] : requestQueues

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  // checkov:skip=CKV_AZURE_35: with privateNetwork it is Deny; without, the identity's roles alone let in
  // checkov:skip=CKV_AZURE_206: what is here is made anew: the catalogue from the backup account, the queues by the next tick
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: privateNetwork && empty(operatorAddresses) ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: privateNetwork ? 'Deny' : 'Allow'
      bypass: 'None'
      ipRules: [
        for address in operatorAddresses: {
          // A storage firewall takes no /32, but the address alone.
          value: replace(address, '/32', '')
          action: 'Allow'
        }
      ]
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
}

resource package 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: 'app-package'
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-01-01' = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01' = [
  for queue in requestQueues: {
    parent: queueService
    name: queue
  }
]

resource appAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in appRoles: {
    name: guid(account.id, principalId, role)
    scope: account
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]

// On the queues of requests alone: a message that is put on an inner one can spoil a run.
resource operatorSends 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (queue, number) in operatorQueues: {
    name: guid(queues[number].id, operatorId, queueMessageSender)
    scope: queues[number]
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueMessageSender)
      principalId: operatorId
      principalType: operatorType
    }
  }
]

// No role here reads disks or backups: export, changes, browse and costs of the command line take Storage Blob Data Reader,
// on the backup account and on those of the disks, for as long as they are needed (docs/command-line.md).
resource operatorReads 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorId)) {
  name: guid(account.id, operatorId, tableDataReader)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableDataReader)
    principalId: operatorId
    principalType: operatorType
  }
}

output id string = account.id
output name string = account.name
output blobServiceUrl string = account.properties.primaryEndpoints.blob
output queueServiceUrl string = account.properties.primaryEndpoints.queue
output tableServiceUrl string = account.properties.primaryEndpoints.table
output packageUrl string = '${account.properties.primaryEndpoints.blob}${package.name}'
