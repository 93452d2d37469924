"""An EVM chain, such as Polygon, through web3.py and an RPC endpoint."""
