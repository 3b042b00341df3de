//go:build rpcnextversion

package rpc

// A build that plays the next release, for the tests of rolling upgrades. No release has this tag.
const (
	lowestVersion  = 2
	highestVersion = 4
)

// One more, which does nothing.
const featuresOfThis = featureReadIndex | 1<<49
