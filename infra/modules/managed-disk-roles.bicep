// What the app may do with the managed disks of a resource group, and with snapshots there. A snapshot is made beside
// its disk.
@description('Name (a GUID) of the custom role that reads managed disks by snapshots.')
param managedDiskReader string

@description('Name (a GUID) of the custom role that makes managed disks and deletes them. Empty: none is restored here.')
param managedDiskRestorer string

@description('Principal ID of the app\'s identity.')
param principalId string

resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(resourceGroup().id, principalId, managedDiskReader)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', managedDiskReader)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource restores 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(managedDiskRestorer)) {
  name: guid(resourceGroup().id, principalId, managedDiskRestorer)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', managedDiskRestorer)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
