//go:build !rpcnextversion

package rpc

// The versions that this program speaks of what follows the handshake. A release that raises the highest keeps the one before it, so that a
// cluster can be upgraded, and taken back, node by node.
const (
	lowestVersion  = 2
	highestVersion = 3
)

// featuresOfThis are the features of this package that this program has: see packageFeatures.
const featuresOfThis = featureReadIndex
