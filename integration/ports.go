package integration

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
)

const anyPort = "127.0.0.1:0"

// assignPorts gives each node addresses of its own, for as long as the cluster lives.
func (c *Cluster) assignPorts() error {
	addrs, err := freeAddresses(2 * len(c.everyone))
	if err != nil {
		return err
	}
	for i, n := range c.everyone {
		n.listenPeer, n.listenClient = addrs[2*i], addrs[2*i+1]
	}
	return nil
}

// freeAddresses finds ports of loopback on which nobody listens, below those that the kernel gives to
// outgoing connections and to listeners on port 0: so while a node is down, nobody gets its port by chance.
func freeAddresses(n int) ([]string, error) {
	const lowest = 10_000
	span := ephemeralFrom() - lowest
	var addrs []string
	for tries := 0; len(addrs) < n; tries++ {
		if tries == 1000 || span < 1000 {
			return nil, errors.New("integration: there are too few free ports between 10000 and the range of ephemeral ones: close some programs")
		}
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", lowest+rand.IntN(span)))
		if err != nil {
			continue // taken
		}
		defer ln.Close() // when all are found, so that none is found twice
		addrs = append(addrs, ln.Addr().String())
	}
	return addrs, nil
}

// ephemeralFrom is the lowest port that the kernel gives away by itself.
func ephemeralFrom() int {
	low := 32768 // of Linux, unless it says otherwise; elsewhere it is higher
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		_, _ = fmt.Sscan(string(text), &low)
	}
	return low
}
