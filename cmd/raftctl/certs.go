package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/rpc/certs"
)

const (
	authorityDays = 3650
	clientName    = "client"
)

// making is the flags of certs that make certificates.
type making struct {
	dir     string
	cluster string
	nodes   []string
	days    int
}

func newCertsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "certs",
		Short: "Make certificates for nodes and clients, and say what is in one",
		Long: "certs makes a certificate authority in a directory, for development or where there is no other, and certificates for the nodes and clients of\n" +
			"one cluster. Whoever has its ca-key.pem can be any node: keep it where no node can read it. certs speaks to no node.",
		Example: "  raftctl certs init --dir certs --cluster demo --nodes n1=127.0.0.1,n2=127.0.0.1,n3=127.0.0.1\n" +
			"  raftctl certs node n4=db4.example.com --dir certs\n  raftctl certs show certs/n1.pem",
	}
	cmd.AddCommand(newCertsInitCommand(), newCertsNodeCommand(), newCertsClientCommand(), newCertsShowCommand())
	return cmd
}

func (m *making) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.dir, "dir", "certs", "directory of the authority, and of all that it signs")
	cmd.Flags().IntVar(&m.days, "days", 730, "how long certificates of nodes and clients are valid")
}

// validFor is how long that is.
func (m *making) validFor(cmd *cobra.Command) (time.Duration, error) {
	if m.days < 1 || m.days > authorityDays {
		return 0, usage(cmd, "--days %d is not from 1 to %d", m.days, authorityDays)
	}
	return time.Duration(m.days) * 24 * time.Hour, nil
}

func newCertsInitCommand() *cobra.Command {
	var m making
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make an authority, a certificate for each node, and one for a client",
		Long: "init makes, in --dir: ca.pem and ca-key.pem, the authority; ID.pem and ID-key.pem for each node; client.pem and client-key.pem. It overwrites nothing.\n" +
			"A node's certificate names the cluster and the node, and the hosts at which clients reach it.",
		Example: "  raftctl certs init --dir certs --cluster demo --nodes n1=127.0.0.1,n2=127.0.0.1,n3=127.0.0.1\n" +
			"  raftctl certs init --cluster prod --nodes n1=db1.example.com+10.0.0.1,n2=db2.example.com+10.0.0.2,n3=db3.example.com+10.0.0.3",
		Args: cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error { return m.init(cmd) },
	}
	m.flags(cmd)
	cmd.Flags().StringVar(&m.cluster, "cluster", "", "a word for the cluster, in all its certificates; another cluster has another")
	cmd.Flags().StringSliceVar(&m.nodes, "nodes", nil, "each node and the host at which clients reach it, ID=HOST or ID=HOST+HOST...; localhost and 127.0.0.1 go without saying")
	return cmd
}

func (m *making) init(cmd *cobra.Command) error {
	validFor, err := m.validFor(cmd)
	if err != nil {
		return err
	}
	if err := certs.CheckWord(m.cluster); err != nil {
		return usage(cmd, "--cluster: %w", err)
	}
	nodes, err := parseNodes(m.nodes)
	if err == nil && len(nodes) == 0 {
		err = errors.New("no node is named: say --nodes n1=HOST,n2=HOST,n3=HOST")
	}
	if err != nil {
		return usage(cmd, "%w", err)
	}
	for _, name := range append([]string{"ca", clientName}, ids(nodes)...) { // all or nothing
		if err := certs.Absent(certs.CertFiles(m.dir, name)); err != nil {
			return err
		}
	}
	authority, err := certs.NewAuthority(m.dir, m.cluster, time.Now(), authorityDays*24*time.Hour)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if _, err := authority.Node(n.id, n.hosts, validFor); err != nil {
			return err
		}
	}
	if _, err := authority.Client(clientName, validFor); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "made an authority for cluster %s in %s, certificates for %s, and one for clients\n\n", m.cluster, m.dir, strings.Join(ids(nodes), ", "))
	fmt.Fprintf(out, "start each node with, besides its other flags, for %s:\n\n%s\n", nodes[0].id, nodeFlags(m.dir, nodes[0].id))
	fmt.Fprintf(out, "and use it with:\n\n  export RAFTCTL_TLS_CA=%s RAFTCTL_TLS_CERT=%s RAFTCTL_TLS_KEY=%s\n  raftctl status\n",
		at(m.dir, "ca.pem"), at(m.dir, clientName+".pem"), at(m.dir, clientName+"-key.pem"))
	return nil
}

// nodeFlags are what a node needs to be told.
func nodeFlags(dir, id string) string {
	cert, key, ca := at(dir, id+".pem"), at(dir, id+"-key.pem"), at(dir, "ca.pem")
	return fmt.Sprintf("  --peer-tls-cert %s --peer-tls-key %s --peer-tls-ca %s \\\n  --client-tls-cert %s --client-tls-key %s --client-tls-ca %s\n",
		cert, key, ca, cert, key, ca)
}

// at gives a file in a directory, as it is typed in a shell.
func at(dir, name string) string {
	path := filepath.Join(dir, name)
	if strings.ContainsAny(path, " \t\n'\"\\$`&;()<>|*?[]#~!{}") {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}

// authority opens the one in --dir.
func (m *making) authority() (*certs.Authority, error) {
	authority, err := certs.OpenAuthority(m.dir, time.Now())
	if err != nil {
		return nil, fmt.Errorf("%w: make one with `raftctl certs init`, or name its directory with --dir", err)
	}
	return authority, nil
}

func newCertsNodeCommand() *cobra.Command {
	var m making
	cmd := &cobra.Command{
		Use:     "node ID=HOST+HOST",
		Short:   "Make a certificate for one more node, signed by the authority in --dir",
		Example: "  raftctl certs node n4=127.0.0.1 --dir certs\n  raftctl certs node n4=db4.example.com+10.0.0.4 --dir certs",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			validFor, err := m.validFor(cmd)
			if err != nil {
				return err
			}
			nodes, err := parseNodes(args)
			if err != nil {
				return usage(cmd, "%w", err)
			}
			authority, err := m.authority()
			if err != nil {
				return err
			}
			if _, err := authority.Node(nodes[0].id, nodes[0].hosts, validFor); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "made a certificate for node %s of cluster %s; start it with, besides its other flags:\n\n%s",
				nodes[0].id, authority.Cluster(), nodeFlags(m.dir, nodes[0].id))
			return nil
		},
	}
	m.flags(cmd)
	return cmd
}

func newCertsClientCommand() *cobra.Command {
	var m making
	cmd := &cobra.Command{
		Use:     "client NAME",
		Short:   "Make a certificate for one more client, signed by the authority in --dir",
		Example: "  raftctl certs client backup --dir certs",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			validFor, err := m.validFor(cmd)
			if err != nil {
				return err
			}
			if err := certs.CheckWord(args[0]); err != nil {
				return usage(cmd, "%w", err)
			}
			authority, err := m.authority()
			if err != nil {
				return err
			}
			files, err := authority.Client(args[0], validFor)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "made %s; use it with --tls-ca %s --tls-cert %s --tls-key %s\n", files.Cert, files.CA, files.Cert, files.Key)
			return nil
		},
	}
	m.flags(cmd)
	return cmd
}

func newCertsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show FILE",
		Short:   "Say in words what the certificates in a file are for",
		Example: "  raftctl certs show certs/n1.pem",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := certs.ReadCertificates(args[0])
			if err != nil {
				return err
			}
			for _, c := range all {
				if _, err := io.WriteString(cmd.OutOrStdout(), certs.Describe(c, time.Now())); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// certNode is a node that is to have a certificate.
type certNode struct {
	id    string
	hosts []string
}

func ids(nodes []certNode) []string {
	var ids []string
	for _, n := range nodes {
		ids = append(ids, n.id)
	}
	return ids
}

// parseNodes reads ID=HOST+HOST, each id once. The hosts of this machine are added to each.
func parseNodes(texts []string) ([]certNode, error) {
	var nodes []certNode
	seen := map[string]bool{"ca": true, clientName: true} // names of files
	for _, text := range texts {
		id, hosts, ok := strings.Cut(strings.TrimSpace(text), "=")
		if !ok {
			return nil, fmt.Errorf("%q is not ID=HOST, like n1=127.0.0.1", text)
		}
		if err := errors.Join(api.CheckID(id), certs.CheckWord(id)); err != nil {
			return nil, err
		}
		if seen[id] {
			return nil, fmt.Errorf("%q is named twice, or is the name of another file", id)
		}
		seen[id] = true
		n := certNode{id: id, hosts: []string{"localhost", "127.0.0.1"}}
		for host := range strings.SplitSeq(hosts, "+") {
			if net.ParseIP(host) == nil && certs.CheckWord(host) != nil {
				return nil, fmt.Errorf("%q is no host: give its name or IP address, without a port", host)
			}
			if host != n.hosts[0] && host != n.hosts[1] {
				n.hosts = append(n.hosts, host)
			}
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}
