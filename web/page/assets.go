package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed static
var static embed.FS

// AssetPattern is where Assets has to be mounted.
const AssetPattern = "GET /static/{file}"

type assetFile struct {
	url   string
	bytes []byte
	mime  string
}

// types are those of the static files. Package mime would read the machine's tables, which takes longer than the rest of the
// start and says something else on another machine.
var types = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// assets holds every static file under its name and under its hashed name ("style.3f9a….css").
var byName, byHash = func() (map[string]assetFile, map[string]assetFile) {
	names, hashes := map[string]assetFile{}, map[string]assetFile{}
	entries, err := fs.ReadDir(static, "static")
	if err != nil {
		panic(err) // embedded: cannot fail at run time
	}
	for _, e := range entries {
		b, err := static.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(b)
		ext := path.Ext(e.Name())
		hashed := strings.TrimSuffix(e.Name(), ext) + "." + hex.EncodeToString(sum[:8]) + ext
		f := assetFile{url: "/static/" + hashed, bytes: b, mime: types[ext]}
		names[e.Name()], hashes[hashed] = f, f
	}
	return names, hashes
}()

// asset is the URL of a static file with its content hash; templates name files without it.
func asset(name string) string { return byName[name].url }

// Assets serves the style sheet, the script and the mark. A URL names one content for ever, so it may
// be kept for ever; any other name is a 404.
func Assets(w http.ResponseWriter, r *http.Request) {
	f, ok := byHash[r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.mime)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.bytes))
}
