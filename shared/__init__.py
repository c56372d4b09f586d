"""The domain of Tidemark, a room a capability. Imports run one way, from the bottom to the top.

`errors`, `events`, `limits`; `changes`; `model`; `settings`; `azure`; `pages`; then the capabilities: `content`,
`points`, `runs`, `jobs`, `inspection`, `restore`, `backup`; `page`.
"""
