"""The loop on Kubernetes: an Argo graph whose pods replay the campaign and run its tasks (see ``replay``)."""
