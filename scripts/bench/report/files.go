package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Write puts peers.md, peers.html and peers.json into the directory, over what was there.
func (r *Report) Write(dir string) error { return write(dir, "peers", r) }

// Write puts scale.md, scale.html and scale.json into the directory, over what was there.
func (s *Scale) Write(dir string) error { return write(dir, "scale", s) }

// written is what can be read as a text and as a page.
type written interface {
	Markdown(w io.Writer) error
	Page(w io.Writer) error
}

func write(dir, name string, r written) error {
	var table, page bytes.Buffer
	if err := r.Markdown(&table); err != nil {
		return err
	}
	if err := r.Page(&page); err != nil {
		return err
	}
	all, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("report: write: %w", err)
	}
	for ending, content := range map[string][]byte{".md": table.Bytes(), ".html": page.Bytes(), ".json": append(all, '\n')} {
		if err := os.WriteFile(filepath.Join(dir, name+ending), content, 0o644); err != nil {
			return fmt.Errorf("report: write: %w", err)
		}
	}
	return nil
}
