package config

import (
	"encoding"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// A field is one leaf of Config: where it stands, and its manual.
type field struct {
	path  []string
	help  string
	value reflect.Value
}

// env is the environment variable that sets it: DRAWBRIDGE_SIGN_IN_FLOW_AGE for sign_in.flow_age.
func (f field) env() string { return "DRAWBRIDGE_" + strings.ToUpper(strings.Join(f.path, "_")) }

// walk visits the leaves in order; section is called before the first leaf of each group.
func walk(v reflect.Value, path []string, section func(path []string, help string), leaf func(field)) {
	for i := range v.NumField() {
		t := v.Type().Field(i)
		p := append(path[:len(path):len(path)], t.Tag.Get("yaml"))
		if t.Type.Kind() == reflect.Struct {
			section(p, t.Tag.Get("help"))
			walk(v.Field(i), p, section, leaf)
			continue
		}
		leaf(field{path: p, help: t.Tag.Get("help"), value: v.Field(i)})
	}
}

// Print writes c as a YAML file in which every field stands under its manual and its environment variable,
// so that the output can be kept as the configuration. Passwords, one in the database URL too, are left out.
func Print(w io.Writer, c Config) error {
	var b strings.Builder
	indent := func(path []string) string { return strings.Repeat("  ", len(path)-1) }
	comment := func(in, text string) {
		for _, line := range wrap(text, 96-len(in)) {
			fmt.Fprintf(&b, "%s# %s\n", in, line)
		}
	}
	c.Database = withoutPassword(c.Database)
	if c.Mail.Password != "" {
		c.Mail.Password = "…"
	}
	walk(reflect.ValueOf(&c).Elem(), nil,
		func(path []string, help string) {
			b.WriteString("\n")
			comment(indent(path), help)
			fmt.Fprintf(&b, "%s%s:\n", indent(path), path[len(path)-1])
		},
		func(f field) {
			in := indent(f.path)
			if len(f.path) == 1 {
				b.WriteString("\n")
			}
			comment(in, f.help+" ["+f.env()+"]")
			fmt.Fprintf(&b, "%s%s: %s\n", in, f.path[len(f.path)-1], spell(f.value))
		})
	_, err := io.WriteString(w, strings.TrimPrefix(b.String(), "\n"))
	return err
}

func spell(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case string:
		return strconv.Quote(x)
	case []string:
		quoted := make([]string, len(x))
		for i, s := range x {
			quoted[i] = strconv.Quote(s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	default:
		return fmt.Sprint(x)
	}
}

// fromEnvironment sets what DRAWBRIDGE_… variables say; lists are separated by commas.
func fromEnvironment(c *Config, environ []string) error {
	set := map[string]string{}
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok && strings.HasPrefix(name, "DRAWBRIDGE_") {
			set[name] = value
		}
	}
	var wrong error
	walk(reflect.ValueOf(c).Elem(), nil, func([]string, string) {}, func(f field) {
		text, ok := set[f.env()]
		if !ok || wrong != nil {
			return
		}
		if err := assign(f.value, text); err != nil {
			wrong = account.Errorf(account.Invalid, "The environment variable %s is not understood: %v.", f.env(), err)
		}
	})
	return wrong
}

func assign(v reflect.Value, text string) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("expected a whole number, received %q", text)
		}
		v.SetInt(int64(n))
	case reflect.Float64:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("expected a number, received %q", text)
		}
		v.SetFloat(n)
	case reflect.Slice:
		var items []string
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		v.Set(reflect.ValueOf(items))
	default:
		return fmt.Errorf("fields of kind %s cannot come from the environment", v.Kind())
	}
	return nil
}

func withoutPassword(database string) string {
	scheme, rest, ok := strings.Cut(database, "://")
	if !ok {
		return database
	}
	user, host, ok := strings.Cut(rest, "@")
	if !ok {
		return database
	}
	name, _, hasPassword := strings.Cut(user, ":")
	if !hasPassword {
		return database
	}
	return scheme + "://" + name + ":…@" + host
}

func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
