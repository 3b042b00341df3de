package rpc

import "encoding/json"

// jsonCodec writes each message as a JSON object, with bytes in base64. It is
// slow and long, and can be read off the wire by a person.
var jsonCodec = NewCodec("json",
	func(dst []byte, v any) ([]byte, error) {
		text, err := json.Marshal(v)
		return append(dst, text...), err
	},
	json.Unmarshal,
)
