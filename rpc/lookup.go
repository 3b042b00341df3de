package rpc

// LookupCodec gives the codec that is registered under a name.
func LookupCodec(name string) (Codec, bool) {
	c := lookup(name)
	return c, c != nil
}
