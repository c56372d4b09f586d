// The alerts, each a query of infra/alerts over the app's log events: a row is an alert.
param actionGroupName string
param location string
param tags object
param workspaceId string

@description('Resource ID of the backup account; removing its lock fires an alert.')
param backupAccountId string

@description('Email address that alerts are sent to. Empty: none.')
param email string

var eachDisk = { name: 'disk', operator: 'Include', values: ['*'] }
var eachEvent = { name: 'event', operator: 'Include', values: ['*'] }
var eachSubject = { name: 'subject', operator: 'Include', values: ['*'] }
var eachReason = { name: 'reason', operator: 'Include', values: ['*'] }
var eachQueue = { name: 'queue', operator: 'Include', values: ['*'] }

// `lookback` is what a query sees, two days at most:
// https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-create-log-alert-rule
// Events are looked for every 15 minutes within an hour, so that one which comes in late is seen; an alert that has
// fired is not fired again while the events are in sight. Each alert names what its row is about, by its dimensions.
// An app that does not run logs nothing that would say so for ever: what told of it leaves the sight of the query. So
// those alerts don't resolve themselves; they are `muted` for a while instead. One excludes the other.
var rules = [
  {
    name: 'tidemark-backup-overdue'
    description: 'The newest good recovery point of a disk is older than 1.5 backup intervals.'
    query: loadTextContent('../alerts/backup-overdue.kql')
    severity: 1
    frequency: 'PT1H'
    window: 'PT1H'
    lookback: 'P2D'
    muted: ''
    dimensions: [eachDisk]
  }
  {
    name: 'tidemark-no-tick'
    description: 'The backup timer has not run though it was due.'
    query: loadTextContent('../alerts/no-tick.kql')
    severity: 1
    frequency: 'PT1H'
    window: 'PT1H'
    lookback: 'P2D'
    muted: 'P1D'
    dimensions: []
  }
  {
    name: 'tidemark-not-started'
    description: 'The app does not start: a setting is invalid, or the app cannot be loaded.'
    query: loadTextContent('../alerts/not-started.kql')
    severity: 1
    frequency: 'PT5M'
    window: 'PT1H'
    lookback: 'PT1H'
    muted: 'PT1H'
    dimensions: [eachReason]
  }
  {
    name: 'tidemark-failed'
    description: 'A backup, restore, verify or drill failed.'
    query: loadTextContent('../alerts/failed.kql')
    severity: 2
    frequency: 'PT15M'
    window: 'PT1H'
    lookback: 'PT1H'
    muted: ''
    dimensions: [eachEvent, eachSubject]
  }
  {
    name: 'tidemark-poison'
    description: 'A message failed five times and was moved to its poison queue.'
    query: loadTextContent('../alerts/poison.kql')
    severity: 2
    frequency: 'PT15M'
    window: 'PT1H'
    lookback: 'PT1H'
    muted: ''
    dimensions: [eachQueue]
  }
  {
    name: 'tidemark-differs'
    description: 'A recovery point, backup blob or restored disk differs from what it should contain.'
    query: loadTextContent('../alerts/differs.kql')
    severity: 1
    frequency: 'PT15M'
    window: 'PT1H'
    lookback: 'PT1H'
    muted: ''
    dimensions: [eachEvent, eachSubject]
  }
  {
    name: 'tidemark-not-protected'
    description: 'A disk that has backups is no longer backed up, or another app owns the backup container.'
    query: loadTextContent('../alerts/not-protected.kql')
    severity: 1
    frequency: 'PT15M'
    window: 'PT1H'
    lookback: 'PT1H'
    muted: ''
    dimensions: [eachEvent, eachSubject]
  }
  {
    name: 'tidemark-attention'
    description: 'The report says that a disk needs attention, or the retention of a disk waits for somebody.'
    query: loadTextContent('../alerts/attention.kql')
    severity: 3
    frequency: 'PT15M'
    window: 'PT1H'
    lookback: 'PT1H'
    muted: ''
    dimensions: [eachEvent, eachSubject]
  }
]

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(email)) {
  name: actionGroupName
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'tidemark'
    emailReceivers: [
      {
        name: 'operator'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: rule.name
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: rule.name
      description: rule.description
      severity: rule.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: rule.frequency
      windowSize: rule.window
      overrideQueryTimeRange: rule.lookback
      autoMitigate: empty(rule.muted)
      muteActionsDuration: empty(rule.muted) ? null : rule.muted
      // A new workspace has no AppTraces until the app has logged something. The tests check the queries.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            dimensions: rule.dimensions
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: {
        actionGroups: empty(email) ? [] : [actionGroup.id]
      }
    }
  }
]

// https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-create-activity-log-alert-rule
resource lockRemoved 'Microsoft.Insights/activityLogAlerts@2020-10-01' = {
  name: 'tidemark-lock-removed'
  location: 'global'
  tags: tags
  properties: {
    description: 'A lock on the backup account was removed: the account, with all backups, can now be deleted.'
    enabled: true
    scopes: [backupAccountId]
    condition: {
      allOf: [
        {
          field: 'category'
          equals: 'Administrative'
        }
        {
          field: 'operationName'
          equals: 'Microsoft.Authorization/locks/delete'
        }
        {
          field: 'status'
          equals: 'Succeeded'
        }
      ]
    }
    actions: {
      actionGroups: empty(email) ? [] : [{ actionGroupId: actionGroup.id }]
    }
  }
}
