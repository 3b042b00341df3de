package rpc

// Reflected is msgpack without what is written by hand.
var Reflected = reflected
