"""The domain of Tidemark. Imports run one way: names, settings, decisions (pure); storage (Azure access); workflows."""
