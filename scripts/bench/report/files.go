package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Write puts peers.md, peers.html and peers.json into the directory, over what was there.
func (r *Report) Write(dir string) error {
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
	for name, content := range map[string][]byte{"peers.md": table.Bytes(), "peers.html": page.Bytes(), "peers.json": append(all, '\n')} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("report: write: %w", err)
		}
	}
	return nil
}
