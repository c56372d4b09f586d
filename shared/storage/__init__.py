"""Access to Azure: the one seam between the workflows and the services. A class a service, thin, without decisions."""
