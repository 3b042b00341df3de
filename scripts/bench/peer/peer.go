package peer

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/raftnode/raft/scripts/bench/raw"
)

// Config says which of the processes this is. Indexes in the lists count from 0.
type Config struct {
	ID     int // from 1
	Dir    string
	Raft   []string
	Client []string
}

// RaftAddr is where the others reach this one.
func (c Config) RaftAddr() string { return c.Raft[c.ID-1] }

// ClientAddr is where clients reach this one.
func (c Config) ClientAddr() string { return c.Client[c.ID-1] }

// Parse reads the command line; the program may have defined more flags.
func Parse() Config {
	id := flag.Int("id", 0, "number of this process, from 1")
	dir := flag.String("dir", "", "an empty directory for its files")
	raft := flag.String("raft", "", "host:port of each process for the others, with commas")
	client := flag.String("client", "", "host:port of each process for clients, with commas")
	flag.Parse()
	c := Config{ID: *id, Dir: *dir, Raft: strings.Split(*raft, ","), Client: strings.Split(*client, ",")}
	if c.ID < 1 || c.ID > len(c.Raft) || len(c.Raft) != len(c.Client) || c.Dir == "" {
		fmt.Fprintln(os.Stderr, "-id counts from 1 to as many as there are addresses in -raft and in -client, and -dir must be set; see -help")
		os.Exit(2)
	}
	return c
}

// Serve answers clients by the raw protocol until a signal comes, and then closes what the handler has.
func Serve(c Config, handler raw.Handler, close io.Closer) {
	listener, err := net.Listen("tcp", c.ClientAddr())
	if err != nil {
		Fail(err)
	}
	served := make(chan error, 1)
	go func() { served <- raw.Serve(listener, handler) }()
	Wait()
	_ = listener.Close()
	err = close.Close()
	if end := <-served; end != nil && !errors.Is(end, net.ErrClosed) {
		err = errors.Join(err, end)
	}
	if err != nil {
		Fail(err)
	}
}

// Wait waits for the signal to end.
func Wait() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	<-signals
}

// Fail ends the program.
func Fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
