// A custom role of the app, from a file in infra/roles/, which `az role definition create` takes too. Names of custom
// roles are unique in a tenant, where several subscriptions may have an environment of the same name.
targetScope = 'subscription'

param environmentName string

@description('The content of the file.')
param role object

@description('The subscriptions in which the role can be assigned.')
param assignableScopes array

resource definition 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
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

output name string = definition.name
