package directory

// A View is which attributes of a resource are shown: those of Only (when not empty), without those of Without. What is
// returned always stays.
type View struct {
	Only    []Ref
	Without []Ref
}

// Shows reports whether an attribute is shown at all, so that what is not need not be read.
func (v View) Shows(attr string) bool {
	for _, r := range v.Without {
		if r.Attr != nil && r.Attr.Name == attr && r.Sub == nil {
			return false
		}
	}
	if len(v.Only) == 0 {
		return true
	}
	for _, r := range v.Only {
		if r.Attr != nil && r.Attr.Name == attr {
			return true
		}
	}
	return false
}

// Apply leaves of a shown resource, whose keys are attributes and extension URNs, what the view shows. It changes shown.
func (v View) Apply(shown map[string]any) map[string]any {
	if len(v.Only) > 0 {
		out := map[string]any{}
		for _, always := range []string{"id", "schemas"} {
			if s, ok := shown[always]; ok {
				out[always] = s
			}
		}
		for _, r := range v.Only {
			keep(out, shown, r)
		}
		shown = out
	}
	for _, r := range v.Without {
		drop(shown, r)
	}
	return shown
}

func keep(out, from map[string]any, r Ref) {
	if r.Schema != "" {
		ext, ok := from[r.Schema].(map[string]any)
		if !ok {
			return
		}
		if r.Attr == nil {
			out[r.Schema] = ext
			return
		}
		kept, ok := out[r.Schema].(map[string]any)
		if !ok {
			kept = map[string]any{}
		}
		keep(kept, ext, Ref{Attr: r.Attr, Sub: r.Sub})
		if len(kept) > 0 {
			out[r.Schema] = kept
		}
		return
	}
	v, ok := from[r.Attr.Name]
	if !ok {
		return
	}
	if r.Sub == nil {
		out[r.Attr.Name] = v
		return
	}
	switch v := v.(type) {
	case map[string]any:
		part, ok := v[r.Sub.Name]
		if !ok {
			return
		}
		kept, ok := out[r.Attr.Name].(map[string]any)
		if !ok {
			kept = map[string]any{}
			out[r.Attr.Name] = kept
		}
		kept[r.Sub.Name] = part
	case []any:
		kept, ok := out[r.Attr.Name].([]any)
		if !ok {
			kept = make([]any, len(v))
			for i := range kept {
				kept[i] = map[string]any{}
			}
			out[r.Attr.Name] = kept
		}
		for i, e := range v {
			if m, ok := e.(map[string]any); ok && len(kept) == len(v) {
				if part, ok := m[r.Sub.Name]; ok {
					kept[i].(map[string]any)[r.Sub.Name] = part
				}
			}
		}
	}
}

func drop(from map[string]any, r Ref) {
	if r.Schema != "" {
		ext, ok := from[r.Schema].(map[string]any)
		if r.Attr == nil {
			delete(from, r.Schema)
		} else if ok {
			drop(ext, Ref{Attr: r.Attr, Sub: r.Sub})
		}
		return
	}
	if r.Attr.Always {
		return
	}
	if r.Sub == nil {
		delete(from, r.Attr.Name)
		return
	}
	switch v := from[r.Attr.Name].(type) {
	case map[string]any:
		delete(v, r.Sub.Name)
	case []any:
		for _, e := range v {
			if m, ok := e.(map[string]any); ok {
				delete(m, r.Sub.Name)
			}
		}
	}
}
