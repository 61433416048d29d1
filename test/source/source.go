// Package source reads the comments of the house, for the tools that hold its documents to its code.
package source

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
)

// A Comment is one line of a comment, without its slashes.
type Comment struct {
	File string // path below the root, with slashes
	Line int
	Text string
	Func string // the top-level function that it stands in or directly above; empty elsewhere
}

// Comments reads the comments of every Go file below root whose path keep accepts. Folders whose
// name begins with a dot, and testdata, are left out, as go's tools leave them out.
func Comments(root string, keep func(path string) bool) ([]Comment, error) {
	var out []Comment
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != root && (strings.HasPrefix(name, ".") || name == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		below, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if below = filepath.ToSlash(below); !strings.HasSuffix(below, ".go") || !keep(below) {
			return nil
		}
		found, err := commentsOf(path, below)
		out = append(out, found...)
		return err
	})
	return out, err
}

func commentsOf(path, name string) ([]Comment, error) {
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var out []Comment
	for _, group := range tree.Comments {
		for _, c := range group.List {
			text := strings.TrimSuffix(strings.TrimPrefix(c.Text[2:], " "), "*/")
			for i, line := range strings.Split(text, "\n") {
				out = append(out, Comment{name, files.Position(c.Pos()).Line + i, strings.TrimSpace(line), owner(tree, c)})
			}
		}
	}
	return out, nil
}

// owner is the function whose body or documentation holds the comment.
func owner(tree *ast.File, c *ast.Comment) string {
	for _, d := range tree.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil {
			continue
		}
		from := f.Pos()
		if f.Doc != nil {
			from = f.Doc.Pos()
		}
		if from <= c.Pos() && c.Pos() < f.End() {
			return f.Name.Name
		}
	}
	return ""
}
