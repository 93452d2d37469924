// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title Stores checkpoints of transparency logs as events.
/// @notice The contract has no owner, no state and no funds, and anybody may use it. That is enough:
/// an anchor shows that somebody knew a checkpoint when its block was made, and the checkpoint
/// itself is signed by its log. An event whose root no log has signed proves nothing.
contract CheckpointAnchors {
    /// @param sender Who anchored; indexed, so that all anchors of one account can be listed.
    /// @param origin SHA-256 of the log's origin.
    /// @param size Number of entries in the log.
    /// @param root Hash of the Merkle tree over these entries (RFC 9162).
    event Anchored(address indexed sender, bytes32 origin, uint256 size, bytes32 root);

    /// @notice Emits the checkpoint as an event, whose data are the three arguments as given.
    function anchor(bytes32 origin, uint256 size, bytes32 root) external {
        emit Anchored(msg.sender, origin, size, root);
    }
}
