// The role by which the app reads and snapshots disks that it may not write to: infra/roles/disk-reader.json, which
// `az role definition create` takes too. Names of custom roles are unique in a tenant, where several subscriptions may
// have an environment of the same name.
targetScope = 'subscription'

param environmentName string

@description('The subscriptions that hold source disks.')
param assignableScopes array

var role = loadJsonContent('../roles/disk-reader.json')

resource diskReader 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(subscription().id, environmentName, role.Name)
  properties: {
    roleName: '${role.Name} (${environmentName}, ${uniqueString(subscription().id, environmentName)})'
    type: 'CustomRole'
    description: role.Description
    assignableScopes: assignableScopes
    permissions: [
      {
        actions: role.Actions
        notActions: role.NotActions
        dataActions: role.DataActions
        notDataActions: role.NotDataActions
      }
    ]
  }
}

output name string = diskReader.name
